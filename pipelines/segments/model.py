"""From examples to one evaluated candidate."""

from typing import Any, NamedTuple

from kfp import dsl

from pipelines.config import UseCase
from pipelines.segments.parts import Candidate, Data, InProduction
from pipelines.segments.traced import run, run_if_configured


class Prepared(NamedTuple):
    """What a model is trained on."""

    schema: Any
    """Reference of the curated schema, or the schema of the selected features."""
    examples: dsl.Dataset
    graph: dsl.Artifact
    """The transform graph."""


def candidate(usecase: UseCase, data: Data, in_production: InProduction) -> Candidate:
    """Transform, train and evaluate, after the data was validated."""
    prepared = _prepared(usecase, data)
    model = _model(usecase, prepared, in_production)
    evaluated = run(
        usecase,
        "evaluate_model",
        schema=prepared.schema,
        examples=prepared.examples,
        model=model,
        **in_production._asdict(),
    )
    return Candidate(prepared.examples, model, evaluated)


def _prepared(usecase: UseCase, data: Data) -> Prepared:
    """Transform the examples; where features are selected, once more with those alone."""
    schema, module, examples = usecase.schema_file, usecase.module, data.examples
    transformed = run(usecase, "transform_features", module=module, schema=schema, examples=examples)
    if data.validated is not None:
        transformed.after(data.validated)
    graph = transformed.outputs["transform_graph"]
    selected = run_if_configured(
        usecase, "select_features", module=module, schema=schema, examples=examples, transform_graph=graph
    )
    if selected is None or usecase.configured("select_features").apply != "within_loss":
        return Prepared(schema, examples, graph)
    chosen = selected.outputs["Output"]
    again = run(usecase, "transform_features", module=module, schema=chosen, examples=examples)
    return Prepared(chosen, examples, again.outputs["transform_graph"])


def _model(usecase: UseCase, prepared: Prepared, in_production: InProduction) -> dsl.Model:
    """Train the one model that is evaluated and may be pushed."""
    trained = run(
        usecase,
        "train_model",
        module=usecase.module,
        schema=prepared.schema,
        examples=prepared.examples,
        transform_graph=prepared.graph,
        **in_production._asdict(),
    )
    return trained.outputs["model"]
