"""Parts of pipelines that several of them share: plain functions, called while a pipeline is traced."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple

from kfp import dsl

from core.errors import ConfigError
from pipelines import gates, stages, steps
from pipelines.config import UseCase

SLOTS = ("first", "second", "third", "fourth")
"""Inputs of one task of `collect_evidence`, for a decision each."""


class PinnedSource(NamedTuple):
    """The data of a run."""

    source: str
    """Pattern of the spans' files."""
    span: int
    """The newest span."""
    data: str
    """Digest of the files of all spans that the run reads."""


class InProduction(NamedTuple):
    """The model that a candidate is compared with."""

    champion: str
    """`<version>@<digest>`; empty when nothing is in production yet."""
    registry: str
    """Address of the registry that holds it."""


class Destination(NamedTuple):
    """Where a candidate is pushed to."""

    champion: str
    """The version that it replaces."""
    registry: str
    submission: str
    """Id of the submission, so that a push is cached for this submission only."""


class Delivery(NamedTuple):
    """What a release is made from and where it goes."""

    build: str
    """As JSON: commit, compiled pipeline, configuration, images, SBOMs."""
    releases: str
    """Root of the releases."""
    environments: str
    """As JSON: their order, and what each demands."""


class Data(NamedTuple):
    """Examples, and the task that validated them; None where the configuration leaves that gate out."""

    examples: dsl.Dataset
    validated: dsl.PipelineTask | None


class Described(NamedTuple):
    """The examples that the model in production was trained and evaluated on, and their statistics."""

    examples: dsl.Dataset
    statistics: dsl.Artifact


class Answered(NamedTuple):
    """What the model in production answered, and which outcomes were known."""

    snapshot: str
    """Reference of the list of files of the prediction log and of outcomes."""
    as_of: str
    """RFC 3339; what was logged, or became known, later does not count."""


class Candidate(NamedTuple):
    """A trained model, and the task that evaluated it."""

    examples: dsl.Dataset
    model: dsl.Model
    evaluated: dsl.PipelineTask


class Evidence(NamedTuple):
    """The collected decisions about a candidate, and the gates that made them."""

    artifact: dsl.Artifact
    gates: tuple[str, ...]


def run(usecase: UseCase, stage: str, **inputs: object) -> dsl.PipelineTask:
    """Trace one stage with its section of the configuration, and its resources, retries and timeout from `steps`.

    Raises UsageError for an unknown stage, ConfigError for one without a section.
    """
    stages.component(stage)  # an unknown stage is named before its section is looked for
    return run_with(usecase, stage, usecase.section(stage), **inputs)


def run_with(usecase: UseCase, stage: str, section: dict[str, Any], **inputs: object) -> dsl.PipelineTask:
    """Trace one stage as `run` does, with another section."""
    component = stages.component(stage)
    return steps.apply(usecase.step(stage), component(config=section, **inputs))


def run_if_configured(usecase: UseCase, stage: str, **inputs: object) -> dsl.PipelineTask | None:
    """Trace one stage, or leave it out where the configuration has no section for it."""
    return run(usecase, stage, **inputs) if usecase.has(stage) else None


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


def monitored(
    usecase: UseCase, trained_on: Described, answered: Answered, in_production: InProduction
) -> dsl.PipelineTask:
    """Join outcomes to logged predictions, and compare what was answered with what the model was trained on."""
    schema = usecase.schema_file
    joined = run(
        usecase,
        "join_feedback",
        name=usecase.name,
        schema=schema,
        **answered._asdict(),
        **in_production._asdict(),
    )
    served = run(usecase, "compute_statistics", examples=joined.outputs["examples"], schema=schema)
    return run(
        usecase,
        "monitor_model",
        schema=schema,
        registry=in_production.registry,
        examples=trained_on.examples,
        statistics=trained_on.statistics,
        served=served.outputs["statistics"],
        feedback=joined.outputs["feedback"],
    )


def candidate(usecase: UseCase, data: Data, in_production: InProduction) -> Candidate:
    """Transform, train and evaluate, after the data was validated."""
    schema, module, examples = usecase.schema_file, usecase.module, data.examples
    transformed = run(usecase, "transform_features", module=module, schema=schema, examples=examples)
    if data.validated is not None:
        transformed.after(data.validated)
    graph = transformed.outputs["transform_graph"]
    selected = run_if_configured(
        usecase, "select_features", module=module, schema=schema, examples=examples, transform_graph=graph
    )
    if selected is not None and usecase.configured("select_features").apply == "within_loss":
        schema = selected.outputs["Output"]
        again = run(usecase, "transform_features", module=module, schema=schema, examples=examples)
        graph = again.outputs["transform_graph"]
    trained = run(
        usecase,
        "train_model",
        module=module,
        schema=schema,
        examples=examples,
        transform_graph=graph,
        **in_production._asdict(),
    )
    model = trained.outputs["model"]
    evaluated = run(usecase, "evaluate_model", schema=schema, examples=examples, model=model, **in_production._asdict())
    return Candidate(examples, model, evaluated)


def served(usecase: UseCase, candidate: Candidate) -> dsl.PipelineTask | None:
    """Send real requests to a real server of the candidate, unless the configuration leaves that gate out."""
    evaluation = candidate.evaluated.outputs["evaluation"]
    return run_if_configured(usecase, "validate_infra", model=candidate.model, evaluation=evaluation)


def if_passed(usecase: UseCase, gate: dsl.PipelineTask | None, name: str) -> Any:
    """Open a branch that runs when a gate passes; a gate that is waived or left out stops nothing."""
    if gate is None or gates.stage_of(gate) in usecase.configured("push_model").waives:
        return nullcontext()
    return dsl.If(gate.outputs["Output"] == True, name=name)  # noqa: E712 - traced into the compiled condition


def collected(usecase: UseCase, **asked: dsl.PipelineTask | None) -> Evidence:
    """Collect the decisions of gates, in as many chained tasks as they need.

    Each keyword is the decision's name in the evidence; a gate that decides once in the pipeline has its own name.
    """
    decided = {name: task for name, task in asked.items() if task is not None}
    artifact = None
    for start in range(0, len(decided), len(SLOTS)):
        names = list(decided)[start : start + len(SLOTS)]
        decisions = {slot: decided[name].outputs["decision"] for slot, name in zip(SLOTS, names, strict=False)}
        earlier: dict[str, object] = {} if artifact is None else {"earlier": artifact}
        artifact = run(usecase, "collect_evidence", names=names, **decisions, **earlier).outputs["evidence"]
    return Evidence(artifact, tuple(gates.stage_of(task) for task in decided.values()))


@contextmanager
def if_passed_all(usecase: UseCase, candidate: Candidate) -> Iterator[Evidence]:
    """Open a branch that runs when the evaluated candidate passes every gate, also as a server; yield the evidence."""
    with if_passed(usecase, candidate.evaluated, name="blessed"):
        infra = served(usecase, candidate)
        with if_passed(usecase, infra, name="servable"):
            yield collected(usecase, evaluate_model=candidate.evaluated, validate_infra=infra)


def pushed(usecase: UseCase, candidate: Candidate, evidence: Evidence, destination: Destination) -> dsl.PipelineTask:
    """Publish the candidate and make it the champion.

    Raises ConfigError when the evidence lacks a gate that `push_model.requires` names, or has one that it does not.
    """
    gates.check_asked(usecase.configured("push_model"), evidence.gates, usecase.folder / "config.yaml")
    return run(
        usecase,
        "push_model",
        name=usecase.name,
        model=candidate.model,
        evidence=evidence.artifact,
        examples=candidate.examples,
        **destination._asdict(),
    )


def released(
    usecase: UseCase, pushed: dsl.PipelineTask, evidence: Evidence, delivery: Delivery, destination: Destination
) -> dsl.PipelineTask:
    """Create a release of the pushed version and promote it to the first environment.

    The promotion is never taken from the cache: somebody may have moved the environment since.
    """
    created = run(
        usecase,
        "create_release",
        pushed=pushed.outputs["pushed"],
        evidence=evidence.artifact,
        build=delivery.build,
        releases=delivery.releases,
        submission=destination.submission,
    )
    promoted = run(
        usecase,
        "promote_release",
        release=created.outputs["Output"],
        releases=delivery.releases,
        registry=destination.registry,
        environments=delivery.environments,
        submission=destination.submission,
    )
    return promoted.set_caching_options(False)
