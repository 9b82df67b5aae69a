"""Evaluate a candidate on the eval split, and write the decision with all the numbers that it is based on."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from adapters.beam_start import workers_of
from adapters.begun import Begun, identity
from artifacts.evaluation import metrics_file
from artifacts.evaluation.eval_config import computations, eval_config
from artifacts.evaluation.result import EvaluationResult, measure
from artifacts.evaluation.spec import CHAMPION
from artifacts.examples.manifest import ExamplesManifest
from artifacts.examples.names import MANIFEST
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
from components.evaluate_model.side_processes import SideProcesses, begin
from core import digest
from core.backends.registry import find
from core.beam.choice import choose
from core.beam.settings import Runner
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


_BEGUN = Begun[SideProcesses]()


def prepare(parameters: Mapping[str, Any], artifacts: Mapping[str, str]) -> None:
    """Begin what does not need the candidate while it is trained, for an evaluation in this process (`localrun`)."""
    config = Config.model_validate(parameters["config"])
    inputs = Inputs(parameters["schema"], artifacts["examples"], "", parameters["champion"], parameters["registry"])
    splits = _splits(inputs)
    if _runner(config, splits) is None:
        champion = _champion(inputs)
        _BEGUN.keep(_given(config, inputs), begin(config, splits, champion, champion, early=True))


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
    splits, champion = _splits(inputs), _champion(inputs)
    folders = (Path(inputs.model), champion)
    runner = _runner(config, splits)
    if runner is None:
        with _BEGUN.take(_given(config, inputs)) or begin(config, splits, *folders) as beside:
            measured = _measured(config, splits, folders, beside, folder / metrics_file.TFMA)
    else:
        with workers_of(runner, "components.evaluate_model.with_beam"):
            from components.evaluate_model.with_beam import measured_with_beam  # noqa: PLC0415

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


def _splits(inputs: Inputs) -> Splits:
    return Splits(locations.located(inputs.examples), read_referenced(inputs.schema))


def _champion(inputs: Inputs) -> Path | None:
    """Return the folder of the model in production; None where there is none."""
    return Path(find(inputs.registry, inputs.champion).path) if inputs.champion else None


def _runner(config: Config, splits: Splits) -> Runner | None:
    return choose(config.beam, ExamplesManifest.read(splits.folder).bytes_in(splits.folder)).runner


def _given(config: Config, inputs: Inputs) -> object:
    """Return what the work of other processes depends on, but for the candidate."""
    examples = identity(locations.join(locations.located(inputs.examples), MANIFEST))
    return config, inputs.schema, examples, inputs.champion, inputs.registry


def _measured(
    config: Config, splits: Splits, folders: tuple[Path, Path | None], beside: SideProcesses, made: Path
) -> Measured:
    """Score and measure in this process; `folders` are those of the candidate and the champion."""
    model, champion = folders
    # Other processes were forked before models are loaded, which starts threads.
    here = champion if beside.champion is None else None
    models = Models(load_model(model, config), load_model(here, config) if here else None)
    scored = score(config, splits, models, beside)
    assert beside.plots is not None
    beside.plots.give(replace(scored.rows, baselines={}, columns={}))  # what plots show
    result = measure(config.evaluation_spec, scored.rows, made)
    return Measured(models.candidate.label, scored, result, beside.plots.result() if result.slices else ())


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
