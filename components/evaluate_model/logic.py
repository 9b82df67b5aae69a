"""Evaluate a candidate on the eval split, and write the decision with all the numbers that it is based on."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from adapters.beam_start import workers_of
from artifacts.evaluation import metrics_file
from artifacts.evaluation.eval_config import computations, eval_config
from artifacts.evaluation.result import EvaluationResult, measure
from artifacts.evaluation.spec import CHAMPION
from artifacts.examples.manifest import ExamplesManifest
from artifacts.predictions import parity
from artifacts.predictions.predictor import saved_model
from artifacts.predictions.split import Splits
from artifacts.schema.reference import read_referenced
from components.evaluate_model.config import Config
from components.evaluate_model.gate import decide
from components.evaluate_model.measured import Measured
from components.evaluate_model.models import Models, load_model
from components.evaluate_model.pictures import draw
from components.evaluate_model.scoring import score
from components.evaluate_model.side_processes import plotting, side_processes
from core import digest
from core.backends.registry import find
from core.beam.choice import choose
from core.decision import Decision
from core.object_stores import locations


@dataclass(frozen=True)
class Inputs:
    """The inputs of the stage."""

    schema: str
    """Reference of the curated schema, `path@digest`."""
    examples: Path | str
    model: Path | str
    champion: str = ""
    """`<version>@<digest>`; empty when nothing is in production."""
    registry: str = ""


@dataclass(frozen=True)
class Outputs:
    """The paths of the evaluation folder, the decision and the pictures."""

    evaluation: Path | str
    decision: Path | str
    pictures: Path | str
    log_metric: Callable[[str, float], None]
    """Called with name and value of each metric for the dashboard."""


def evaluate(config: Config, inputs: Inputs, outputs: Outputs) -> Decision:
    """Score, evaluate, decide and write; a model that is not good enough closes the gate and raises nothing.

    Raises DataError or CorruptArtifact for examples that cannot be used, RegistryError for a champion that the registry
    does not have, ConfigError for an unknown metric, MlopsError for a model that does not take serialized tf.Examples.
    """
    spec = config.evaluation_spec
    # Fail on a metric that TFMA cannot compute before predicting anything.
    weighted = config.weight is not None
    computations(eval_config(spec, with_champion=bool(inputs.champion), plots=True, weighted=weighted))
    folder = Path(outputs.evaluation)
    folder.mkdir(parents=True, exist_ok=True)
    splits = Splits(locations.located(inputs.examples), read_referenced(inputs.schema))
    champion = find(inputs.registry, inputs.champion) if inputs.champion else None
    runner = choose(config.beam, ExamplesManifest.read(splits.folder).bytes_in(splits.folder)).runner
    place = Path(champion.path) if champion else None
    if runner is None:
        measured = _measured(config, splits, (Path(inputs.model), place), folder / metrics_file.TFMA)
    else:
        with workers_of(runner, "components.evaluate_model.with_beam"):
            from components.evaluate_model.with_beam import measured_with_beam  # noqa: PLC0415

            folders = (Path(inputs.model), place)
            measured = measured_with_beam(runner, config, splits, folders, folder / metrics_file.TFMA)
    label, scored, result, _ = measured
    decision = decide(config, result, scored, inputs.champion, digest.of_folder(saved_model(Path(inputs.model))))
    parity.write(folder, scored.parity)
    numbers = metrics_file.content(spec, scored.rows, result, inputs.champion)
    numbers |= {"feature_skill": scored.feature_skill, "faults": list(result.faults)}
    if scored.left_out:
        numbers["features_left_out"] = scored.left_out
    if config.weight is not None:
        numbers["weight"] = config.weight
    if label.unit == "trained":
        numbers["unit"] = "of the transformed label"
    metrics_file.write(folder, numbers)
    draw(config, measured, decision, outputs.pictures)
    for name, value in _dashboard(result, decision).items():
        outputs.log_metric(name, value)
    decision.write(outputs.decision)
    return decision


def _measured(config: Config, splits: Splits, folders: tuple[Path, Path | None], made: Path) -> Measured:
    """Score and measure in this process; `folders` are those of the candidate and the champion."""
    model, champion = folders
    # Processes are forked before models are loaded, which starts threads.
    with plotting(config) as drawing, side_processes(config, splits, model, champion) as beside:
        here = champion if beside.champion is None else None
        models = Models(load_model(model, config), load_model(here, config) if here else None)
        scored = score(config, splits, models, beside)
        drawing.give(replace(scored.rows, baselines={}, columns={}))  # what plots show
        result = measure(config.evaluation_spec, scored.rows, made)
        return Measured(models.candidate.label, scored, result, drawing.result() if result.slices else ())


def _dashboard(result: EvaluationResult, decision: Decision) -> dict[str, float]:
    """Return the finite overall metrics of candidate and champion and the gains, for the dashboard."""
    overall = result.overall
    numbers = dict(overall.candidate) if overall else {}
    if overall and overall.champion:
        numbers |= {f"champion_{name}": value for name, value in overall.champion.items() if name != "example_count"}
    for comparison in result.comparisons:
        name = "champion" if comparison.name == CHAMPION else comparison.name
        numbers[f"gain_over_{name}"] = comparison.gain.value
    finite = {name: round(value, 6) for name, value in numbers.items() if math.isfinite(value)}
    return finite | {"blessed": float(decision.is_open)}
