"""Stretches of steps that several pipelines share; plain functions that are called while a pipeline is traced."""

from typing import NamedTuple

from kfp import dsl
from kfp.dsl.python_component import PythonComponent

from components.compute_statistics.component import compute_statistics
from components.evaluate_model.component import evaluate_model
from components.ingest_examples.component import ingest_examples
from components.push_model.component import push_model
from components.scope_use_case.component import scope_use_case
from components.train_model.component import train_model
from components.transform_features.component import transform_features
from components.validate_data.component import validate_data
from components.validate_infra.component import validate_infra
from pipelines.config import UseCase


class Window(NamedTuple):
    """Which data a run is about: where the spans lie, the newest of them, and the digest of their files."""

    source: str
    span: int
    data: str


class Rival(NamedTuple):
    """What a candidate is up against: the registry and the champion in it (`<version>@<digest>`, or empty)."""

    champion: str
    registry: str


class Target(NamedTuple):
    """Where a push goes, whom it replaces, and which submission asks for it."""

    champion: str
    registry: str
    submission: str


class Data(NamedTuple):
    """Examples, and the gate that they have passed."""

    examples: dsl.Dataset
    validated: dsl.PipelineTask


class Candidate(NamedTuple):
    """A trained model and what the evaluation says of it."""

    examples: dsl.Dataset
    model: dsl.Model
    evaluation: dsl.Artifact
    decision: dsl.Artifact
    blessed: bool


def run(usecase: UseCase, stage: PythonComponent, **inputs: object) -> dsl.PipelineTask:
    """Trace one stage with its section of the configuration, and give it what `steps` says of it."""
    name = stage.python_func.__name__
    return usecase.steps.apply(name, stage(config=usecase.section(name), **inputs))


def validated_data(usecase: UseCase, window: Window) -> Data:
    """Scope the use case, read the window, and hold it against the curated schema."""
    schema = usecase.schema_file
    scoped = run(usecase, scope_use_case)
    ingested = run(usecase, ingest_examples, schema=schema, **window._asdict()).after(scoped)
    examples = ingested.outputs["examples"]
    described = run(usecase, compute_statistics, examples=examples, schema=schema)
    validated = run(usecase, validate_data, statistics=described.outputs["statistics"], schema=schema)
    return Data(examples, validated)


def candidate(usecase: UseCase, data: Data, rival: Rival) -> Candidate:
    """Transform, train and evaluate; nothing starts before the data has passed its gate."""
    schema, module, examples = usecase.schema_file, usecase.module, data.examples
    transformed = run(usecase, transform_features, module=module, schema=schema, examples=examples).after(
        data.validated
    )
    trained = run(
        usecase,
        train_model,
        module=module,
        schema=schema,
        examples=examples,
        transform_graph=transformed.outputs["transform_graph"],
        **rival._asdict(),
    )
    model = trained.outputs["model"]
    evaluated = run(usecase, evaluate_model, schema=schema, examples=examples, model=model, **rival._asdict())
    return Candidate(
        examples, model, evaluated.outputs["evaluation"], evaluated.outputs["decision"], evaluated.outputs["Output"]
    )


def served(usecase: UseCase, candidate: Candidate) -> dsl.PipelineTask:
    """Let a real server answer real requests with the candidate."""
    return run(usecase, validate_infra, model=candidate.model, evaluation=candidate.evaluation)


def pushed(usecase: UseCase, candidate: Candidate, infra: dsl.PipelineTask, target: Target) -> dsl.PipelineTask:
    """Publish the candidate and make it the champion."""
    return run(
        usecase,
        push_model,
        name=usecase.name,
        model=candidate.model,
        evaluated=candidate.decision,
        served=infra.outputs["decision"],
        examples=candidate.examples,
        **target._asdict(),
    )
