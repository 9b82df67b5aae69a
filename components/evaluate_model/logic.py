"""Evaluate a candidate on the eval split and write down everything that the verdict rests on."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from artifacts.evaluation import metrics_file
from artifacts.evaluation.eval_config import computations, eval_config
from artifacts.evaluation.measured import Measured, measure
from artifacts.evaluation.measures import CHAMPION
from artifacts.predictions import parity
from artifacts.predictions.predictor import saved_model
from artifacts.predictions.split import Splits
from artifacts.schema.schema_file import read_schema
from components.evaluate_model.config import Config
from components.evaluate_model.gate import decide
from components.evaluate_model.pictures import draw
from components.evaluate_model.scoring import Model, Models, score
from core import digest, user_code
from core.backends.registry import find
from core.decision import Decision


@dataclass(frozen=True)
class Inputs:
    """What is evaluated, as the stage gets it."""

    schema: str
    """Reference of the curated schema, `path@digest`."""
    examples: Path | str
    model: Path | str
    champion: str = ""
    """`<version>@<digest>`; empty when nothing is in production."""
    registry: str = ""


@dataclass(frozen=True)
class Outputs:
    """Where the evaluation folder, the decision and the pictures go."""

    evaluation: Path | str
    decision: Path | str
    pictures: Path | str
    log_metric: Callable[[str, float], None]
    """Takes each number that a dashboard shows."""


def evaluate(config: Config, inputs: Inputs, outputs: Outputs) -> Decision:
    """Predict, measure, decide and write; a model that is not good enough is an outcome, not an error.

    Raises DataError or CorruptArtifact for examples that cannot be trusted, RegistryError for a champion that is not
    there, MlopsError for a model that does not take serialized tf.Examples.
    """
    measures = config.measures
    # Fail on a metric that TFMA cannot compute before predicting anything.
    weighted = config.weight is not None
    computations(eval_config(measures, with_champion=bool(inputs.champion), plots=True, weighted=weighted))
    folder = Path(outputs.evaluation)
    folder.mkdir(parents=True, exist_ok=True)
    splits = Splits(Path(inputs.examples), read_schema(user_code.resolve(inputs.schema)))
    champion = find(inputs.registry, inputs.champion) if inputs.champion else None
    models = Models(
        Model.load(Path(inputs.model), config), Model.load(Path(champion.path), config) if champion else None
    )
    scored = score(config, splits, models)
    measured = measure(measures, scored.rows, folder / metrics_file.TFMA)
    decision = decide(config, measured, scored, inputs.champion, digest.of_folder(saved_model(Path(inputs.model))))
    parity.write(folder, scored.parity)
    numbers = metrics_file.content(measures, scored.rows, measured, inputs.champion)
    numbers |= {"feature_skill": scored.feature_skill, "faults": list(measured.faults)}
    if scored.left_out:
        numbers["features_left_out"] = scored.left_out
    if config.weight is not None:
        numbers["weight"] = config.weight
    if models.candidate.label.unit == "trained":
        numbers["unit"] = "of the transformed label"
    metrics_file.write(folder, numbers)
    draw(config, scored, measured, decision, outputs.pictures)
    for name, value in _dashboard(measured, decision).items():
        outputs.log_metric(name, value)
    decision.write(outputs.decision)
    return decision


def _dashboard(measured: Measured, decision: Decision) -> dict[str, float]:
    """Choose what a dashboard can show: finite numbers of the candidate as a whole, the champion's beside them."""
    overall = measured.overall
    numbers = dict(overall.candidate) if overall else {}
    if overall and overall.champion:
        numbers |= {f"champion_{name}": value for name, value in overall.champion.items() if name != "example_count"}
    numbers |= {
        f"gain_over_{'champion' if one.name == CHAMPION else one.name}": one.gain.value for one in measured.comparisons
    }
    return {name: round(value, 6) for name, value in numbers.items() if math.isfinite(value)} | {
        "blessed": float(decision.is_open)
    }
