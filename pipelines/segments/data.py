"""From a source to examples that may be trained on."""

from typing import Any

from core.errors import ConfigError
from pipelines.config import UseCase
from pipelines.segments.parts import Data, Described, PinnedSource
from pipelines.segments.traced import run, run_if_configured


def validated_data(usecase: UseCase, source: PinnedSource, labels: Any = None) -> Data:
    """Check the scope, ingest the source, import labels, and validate the examples against the curated schema.

    `labels` is the reference of the label files, None where the configuration imports none.
    """
    schema = usecase.schema_file
    scoped = run_if_configured(usecase, "scope_use_case")
    ingested = run(usecase, "ingest_examples", schema=schema, **source._asdict())
    if scoped is not None:
        ingested.after(scoped)
    examples = labeled(usecase, ingested.outputs["examples"], labels)
    described = run_if_configured(usecase, "compute_statistics", examples=examples, schema=schema)
    if not usecase.has("validate_data"):
        return Data(examples, None)
    if described is None:
        raise ConfigError(
            f"{usecase.folder / 'config.yaml'}: compute_statistics is null, but validate_data needs its statistics; "
            "remove the null, or leave validate_data out too: `validate_data: null`"
        )
    validated = run(usecase, "validate_data", statistics=described.outputs["statistics"], schema=schema)
    return Data(examples, validated)


def labeled(usecase: UseCase, examples: Any, labels: Any = None) -> Any:
    """Give examples the labels of people, then those of labeling functions, where the configuration says so.

    `labels` is the reference of the label files; without it those of people are not imported.
    """
    schema = usecase.schema_file
    if labels is not None and usecase.has("import_labels"):
        examples = run(usecase, "import_labels", labels=labels, schema=schema, examples=examples).outputs["labeled"]
    if not usecase.has("label_examples"):
        return examples
    return run(usecase, "label_examples", labeling=usecase.labeling, schema=schema, examples=examples).outputs[
        "labeled"
    ]


def described_data(usecase: UseCase, source: PinnedSource) -> Described:
    """Ingest a source and compute its statistics; both come from the cache where the model was trained."""
    schema = usecase.schema_file
    ingested = run(usecase, "ingest_examples", schema=schema, **source._asdict())
    examples = labeled(usecase, ingested.outputs["examples"])
    described = run(usecase, "compute_statistics", examples=examples, schema=schema)
    return Described(examples, described.outputs["statistics"])
