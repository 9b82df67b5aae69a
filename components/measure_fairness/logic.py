"""Measures a candidate's rates by group on the eval split, and writes the decision with all numbers behind it."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from artifacts.fairness.grouped_rows import check_features, score
from artifacts.fairness.measured import Spec, measure_rows
from artifacts.fairness.measurement import Measurement
from artifacts.predictions.predictor import saved_model
from artifacts.predictions.scoring_model import ScoringModel
from artifacts.predictions.split import Splits
from artifacts.schema.reference import read_referenced
from components.measure_fairness.config import Config
from components.measure_fairness.gate import decide
from components.measure_fairness.pictures import draw
from components.measure_fairness.swaps import swap
from core import digest
from core.decision import Decision
from problems.labels import TrainedLabel

SPLIT = "eval"


class Inputs(NamedTuple):
    """Reference of the schema, and folders."""

    schema: str
    examples: Path | str
    model: Path | str


class Outputs(NamedTuple):
    """The paths of the measurement's folder, the decision and the pictures."""

    fairness: Path | str
    decision: Path | str
    pictures: Path | str
    log_metric: Callable[[str, float], None]
    """Called with name and value of each gap for the dashboard."""


def measure(config: Config, inputs: Inputs, outputs: Outputs) -> Decision:
    """Score, measure, decide and write; a gap that is too large closes the gate and raises nothing.

    Raises ConfigError for a group that the schema lacks, EmptyDataset for no rows, DataError for labels or scores that
    cannot be used, CorruptArtifact for examples that differ from their manifest.
    """
    splits = Splits(Path(inputs.examples), read_referenced(inputs.schema))
    folder = Path(inputs.model)
    swapped = config.swaps.features if config.swaps else ()
    check_features([name for features in (*config.groups, swapped) for name in features], splits)
    model = ScoringModel.load(folder, TrainedLabel(config.label, config.task, output=config.model_output))
    scored = score(model, splits, SPLIT, config.groups, config.weight)
    subject = digest.of_folder(saved_model(folder))
    measured = measure_rows(_spec(config, model.label.classes), scored, subject)
    if config.swaps is not None:
        measured = measured.model_copy(update={"swapped": tuple(swap(config, config.swaps, splits, model, scored))})
    measured.write(outputs.fairness)
    decision = decide(config, measured)
    draw(config, measured, scored, decision, outputs.pictures)
    for name, value in _dashboard(config, measured):
        outputs.log_metric(name, value)
    decision.write(outputs.decision)
    return decision


def _spec(config: Config, classes: Sequence[str]) -> Spec:
    return Spec(
        label=config.label,
        positive=config.positive or (classes[1] if len(classes) == 2 else "1"),
        split=SPLIT,
        groups=config.groups,
        thresholds=config.all_thresholds,
        decision_threshold=config.decision_threshold,
        confidence=config.confidence,
        max_groups=config.max_groups,
    )


def _dashboard(config: Config, measured: Measurement) -> Iterator[tuple[str, float]]:
    for rule in config.gaps:
        for features in rule.groups:
            found = measured.gap(features, rule.rate, config.threshold(rule))
            if found is not None and found.value is not None and found.high is not None:
                name = f"{rule.rate}_gap_by_{'_'.join(features)}"
                yield name, round(found.value, 6)
                yield f"{name}_at_most", round(found.high, 6)
