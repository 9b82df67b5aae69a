"""Stretches of steps that several pipelines share; plain functions that are called while a pipeline is traced."""

from contextlib import nullcontext
from typing import Any, NamedTuple

from kfp import dsl

from core.errors import ConfigError
from pipelines import gates, stages, steps
from pipelines.config import UseCase

SLOTS = ("first", "second", "third", "fourth")
"""The decisions that one task of `collect_evidence` takes."""


class Window(NamedTuple):
    """Which data a run is about: where the spans lie, the newest of them, and the digest of their files."""

    source: str
    span: int
    data: str


class Rival(NamedTuple):
    """What a candidate is up against: the registry and the champion in it (`<version>@<digest>`, or empty)."""

    champion: str
    registry: str


class Destination(NamedTuple):
    """Where a push goes, which version it replaces, and which submission asks for it."""

    champion: str
    registry: str
    submission: str


class Data(NamedTuple):
    """Examples, and the gate that they have passed, where there is one."""

    examples: dsl.Dataset
    validated: dsl.PipelineTask | None


class Candidate(NamedTuple):
    """A trained model, and the task that evaluated it."""

    examples: dsl.Dataset
    model: dsl.Model
    evaluated: dsl.PipelineTask


class Evidence(NamedTuple):
    """What the gates decided about a candidate, and which gates those are."""

    artifact: dsl.Artifact
    gates: tuple[str, ...]


def run(usecase: UseCase, stage: str, **inputs: object) -> dsl.PipelineTask:
    """Trace one stage with its section of the configuration, and give it what `steps` says of it.

    Raises UsageError for an unknown stage, ConfigError for one without a section.
    """
    component = stages.component(stage)
    return steps.apply(usecase.step(stage), component(config=usecase.section(stage), **inputs))


def run_if_configured(usecase: UseCase, stage: str, **inputs: object) -> dsl.PipelineTask | None:
    """Trace one stage, or leave it out where the configuration has no section for it."""
    return run(usecase, stage, **inputs) if usecase.has(stage) else None


def validated_data(usecase: UseCase, window: Window) -> Data:
    """Scope the use case, read the window, and hold it against the curated schema."""
    schema = usecase.schema_file
    scoped = run_if_configured(usecase, "scope_use_case")
    ingested = run(usecase, "ingest_examples", schema=schema, **window._asdict())
    if scoped is not None:
        ingested.after(scoped)
    examples = ingested.outputs["examples"]
    described = run_if_configured(usecase, "compute_statistics", examples=examples, schema=schema)
    if not usecase.has("validate_data"):
        return Data(examples, None)
    if described is None:
        raise ConfigError(
            f"{usecase.folder / 'config.yaml'}: compute_statistics is null, but validate_data reads what it writes; "
            "configure it, or leave out validate_data, too: `validate_data: null`"
        )
    validated = run(usecase, "validate_data", statistics=described.outputs["statistics"], schema=schema)
    return Data(examples, validated)


def candidate(usecase: UseCase, data: Data, rival: Rival) -> Candidate:
    """Transform, train and evaluate; nothing starts before the data has passed its gate."""
    schema, module, examples = usecase.schema_file, usecase.module, data.examples
    transformed = run(usecase, "transform_features", module=module, schema=schema, examples=examples)
    if data.validated is not None:
        transformed.after(data.validated)
    trained = run(
        usecase,
        "train_model",
        module=module,
        schema=schema,
        examples=examples,
        transform_graph=transformed.outputs["transform_graph"],
        **rival._asdict(),
    )
    model = trained.outputs["model"]
    evaluated = run(usecase, "evaluate_model", schema=schema, examples=examples, model=model, **rival._asdict())
    return Candidate(examples, model, evaluated)


def served(usecase: UseCase, candidate: Candidate) -> dsl.PipelineTask | None:
    """Let a real server answer real requests with the candidate, unless the configuration leaves that out."""
    evaluation = candidate.evaluated.outputs["evaluation"]
    return run_if_configured(usecase, "validate_infra", model=candidate.model, evaluation=evaluation)


def passed(usecase: UseCase, gate: dsl.PipelineTask | None, name: str) -> Any:
    """Open a branch that runs when a gate lets the model through; one that is waived or left out stops nothing."""
    if gate is None or gates.stage_of(gate) in usecase.configured("push_model").waives:
        return nullcontext()
    return dsl.If(gate.outputs["Output"] == True, name=name)  # noqa: E712 - traced into the compiled condition


def collected(usecase: UseCase, **asked: dsl.PipelineTask | None) -> Evidence:
    """Collect the decisions of gates; a keyword names each in the evidence, the gate's own where it decides once."""
    decided = {name: task for name, task in asked.items() if task is not None}
    artifact = None
    names_left = list(decided)
    while names_left:
        names, names_left = names_left[: len(SLOTS)], names_left[len(SLOTS) :]
        decisions = {slot: decided[name].outputs["decision"] for slot, name in zip(SLOTS, names, strict=False)}
        earlier: dict[str, object] = {} if artifact is None else {"earlier": artifact}
        artifact = run(usecase, "collect_evidence", names=names, **decisions, **earlier).outputs["evidence"]
    return Evidence(artifact, tuple(gates.stage_of(task) for task in decided.values()))


def pushed(usecase: UseCase, candidate: Candidate, evidence: Evidence, destination: Destination) -> dsl.PipelineTask:
    """Publish the candidate and make it the champion; ConfigError when the pipeline does not ask what it requires."""
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
