"""Explain a model on rows of the eval split, decide, and write and draw the explanations."""

from dataclasses import dataclass
from pathlib import Path

from tensorflow_metadata.proto.v0 import schema_pb2

from artifacts.explanations.background import draw_background
from artifacts.explanations.shapley import Effort
from artifacts.predictions.predictor import saved_model
from artifacts.predictions.split import Splits
from artifacts.schema.reference import read_referenced
from components.explain_model.config import Config
from components.explain_model.gate import closed, decide
from components.explain_model.importance import explained_samples, permutation_importance
from components.explain_model.pictures import draw
from components.explain_model.rows import EvalRows
from components.explain_model.summary import summarize
from core import digest
from core.decision import Decision
from core.errors import ConfigError, did_you_mean
from serving.errors import ModelError, RequestError
from serving.models.explainer import Explainer, read_background
from serving.models.savedmodel import SavedModel


@dataclass(frozen=True)
class Inputs:
    """The inputs of the stage."""

    schema: str
    """Reference of the curated schema, `path@digest`."""
    examples: Path | str
    model: Path | str


@dataclass(frozen=True)
class Outputs:
    """The paths of the folder of explanations, the decision and the pictures."""

    explanations: Path | str
    decision: Path | str
    pictures: Path | str


def explain(config: Config, inputs: Inputs, outputs: Outputs) -> Decision:
    """Explain and decide; a model that cannot be explained closes the gate.

    Raises ConfigError for a feature in `max_share` that the schema lacks, DataError or CorruptArtifact for examples
    that cannot be used, MlopsError for a folder without a SavedModel.
    """
    schema = read_referenced(inputs.schema)
    _check_names(config, schema)
    subject = digest.of_folder(saved_model(Path(inputs.model)))
    try:
        decision = _explained(config, inputs, outputs, schema, subject)
    except (ModelError, RequestError) as error:
        decision = closed(str(error), subject, outputs.pictures)
    decision.write(outputs.decision)
    return decision


def _explained(config: Config, inputs: Inputs, outputs: Outputs, schema: schema_pb2.Schema, subject: str) -> Decision:
    model = SavedModel(saved_model(Path(inputs.model)))
    try:
        first, second = _explainers(config, inputs, model, schema)
        rows = EvalRows.sample(config, Splits(Path(inputs.examples), schema), first, Path(inputs.model))
        samples = explained_samples(config, rows, first, second)
        lost = permutation_importance(config, rows, first)
        worst = first.with_effort(Effort(seed=config.seed)).explain(rows.fed_of(rows.worst(config.worst)))
    finally:
        model.close()
    summary = summarize(rows, samples, lost, worst, subject)
    summary.write(outputs.explanations)
    decision = decide(config, summary, samples)
    draw(summary, rows, samples, decision, outputs.pictures)
    return decision


def _explainers(
    config: Config, inputs: Inputs, model: SavedModel, schema: schema_pb2.Schema
) -> tuple[Explainer, Explainer]:
    """Return two that share nothing: the first has the rows that travel with the model, as a server has."""
    effort = Effort(config.pairs, config.evaluations, config.seed)
    if model.features is None:
        raise ModelError(f"{model.path}: wanted features.json, which names the model's features, got none; train again")
    own = read_background(model.path) or list(draw_background(inputs.examples, schema, model.features, config.seed))
    others = list(draw_background(inputs.examples, schema, model.features, config.seed + 1))
    return Explainer(model, own, effort), Explainer(model, others, effort._replace(seed=config.seed + 1))


def _check_names(config: Config, schema: schema_pb2.Schema) -> None:
    known = [feature.name for feature in schema.feature]
    for name in config.max_share:
        if name not in known:
            raise ConfigError(
                f"config.yaml: explain_model.max_share: wanted a feature of the schema, got {name!r}"
                f"{did_you_mean(name, known)}"
            )
