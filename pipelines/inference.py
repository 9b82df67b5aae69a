"""Bulk inference: rows without a label in, the predictions of one model version out, through the data gate."""

from typing import Any

from kfp import dsl

from pipelines import segments
from pipelines.config import UseCase
from pipelines.sources import ingest_unlabeled


def inference(usecase: UseCase) -> dsl.base_component.BaseComponent:
    """Wire bulk inference for one use case."""

    @dsl.pipeline(
        name=f"{usecase.name.replace('_', '-')}-inference",
        description="Bulk inference: data to predictions, through the data gate.",
    )
    def bulk_inference(source: str, span: int, data: str, model: str, registry: str) -> None:
        examples, validated = _data(usecase, segments.PinnedSource(source, span, data))
        segments.run(
            usecase, "infer_bulk", examples=examples, schema=usecase.schema_file, model=model, registry=registry
        ).after(validated)

    return bulk_inference


def _data(usecase: UseCase, source: segments.PinnedSource) -> segments.Data:
    """Ingest the rows without their label, and validate them as requests; this gate cannot be left out."""
    schema = usecase.schema_file
    ingested = segments.run_with(
        usecase, "ingest_examples", ingest_unlabeled(usecase), schema=schema, **source._asdict()
    )
    examples = ingested.outputs["examples"]
    statistics = _section(usecase, "compute_statistics", serving="")
    described = segments.run_with(usecase, "compute_statistics", statistics, examples=examples, schema=schema)
    gate = _section(
        usecase, "validate_data", min_examples=usecase.configured("infer_bulk").min_examples, on_drift="off"
    )
    validated = segments.run_with(
        usecase, "validate_data", gate, statistics=described.outputs["statistics"], schema=schema
    )
    return segments.Data(examples, validated)


def _section(usecase: UseCase, stage: str, **changes: object) -> dict[str, Any]:
    """Return a stage's section with some values changed; the defaults where a training run leaves the stage out."""
    section = usecase.section(stage) if usecase.has(stage) else {}
    return section | changes
