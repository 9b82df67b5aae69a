"""Membership inference: how well a row's error tells whether the model was trained on it.

The attack ranks rows by the error of their prediction: a model that learned its rows by heart is better on them than on
rows of the same spans that it never saw. Its AUC is 0.5 for a model that learned none of them.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from artifacts.evaluation.columns import Values
from artifacts.examples.manifest import ExamplesManifest
from artifacts.model import label as label_file
from artifacts.predictions.labels import LabelReader
from artifacts.predictions.predictor import Predictor, saved_model
from artifacts.predictions.split import Block, Splits
from components.audit_privacy.config import Config
from problems import kind
from problems.auc import difference
from problems.gains import interval
from problems.labels import TrainedLabel

_FALSE_ALARMS = 0.01


class Membership(NamedTuple):
    """The outcome of the attack."""

    members: int
    held_out: int
    auc: float
    low: float
    high: float
    """Ends of the AUC's interval, by DeLong's method."""
    advantage: float
    """Largest difference of true and false alarms over all thresholds."""
    found: float
    """Share of members that are found where 1 percent of held-out rows raise a false alarm; 0.01 is a guess."""


class Drawn(NamedTuple):
    """Rows that the model was trained on, and rows of the same spans that it never saw."""

    members: Block
    held_out: Block


def draw(config: Config, splits: Splits, examples: Path) -> Drawn | str:
    """Draw the rows of an attack, or return why they would decide nothing, such as that no rows were held out."""
    manifest = ExamplesManifest.read(examples)
    counts = {split: manifest.records(split) for split in ("train", config.held_out)}
    for split, rows in counts.items():
        if rows < config.min_rows:
            return f"{rows} rows in the split {split}, fewer than audit_privacy.min_rows ({config.min_rows})"
    spans = {split: {shard.span for shard in manifest.of_split(split)} for split in counts}
    if not spans[config.held_out] <= spans["train"]:
        return (
            f"the split {config.held_out} has rows of other spans than train, which differ by season and not by "
            "membership"
        )
    return Drawn(*(splits.sample(split, min(config.rows, rows), config.seed) for split, rows in counts.items()))


def attack(config: Config, drawn: Drawn, model: Path) -> Membership | str:
    """Attack the model, or return why that decides nothing."""
    found = saved_model(model)
    label = label_file.read(found) or TrainedLabel(config.label, config.task, output=config.model_output)
    predictor = Predictor(found, config.task)
    errors = [_errors(config, block, predictor, (label, model)) for block in drawn]
    bad = sum(int(np.count_nonzero(~np.isfinite(one))) for one in errors)
    return f"{bad} predictions are not finite" if bad else _outcome(errors[0], errors[1], config.confidence)


def _errors(config: Config, block: Block, predictor: Predictor, trained: tuple[TrainedLabel, Path]) -> Values:
    """Return the error of each row's prediction, [rows]; `trained` is the label of the model in a folder."""
    problem, (label, folder) = kind(config.task), trained
    output = predictor(block.serialized)
    width = output.shape[1] if output.ndim == 2 else 2
    labels = LabelReader(label, width, folder)(block)
    return problem.row_errors(labels, problem.scores(output, label.output).values)


def _outcome(members: Values, held_out: Values, confidence: float) -> Membership:
    belongs = np.concatenate([np.ones(len(members)), np.zeros(len(held_out))])
    scores = -np.concatenate([members, held_out]).astype(np.float64)
    value, error = difference(belongs, scores, np.zeros(len(scores)))
    low, auc, high = interval(0.5 + value, error, confidence)
    ours, others = np.sort(-members.astype(np.float64)), np.sort(-held_out.astype(np.float64))
    thresholds = np.unique(scores)
    true_alarms = 1 - np.searchsorted(ours, thresholds, "left") / len(ours)
    false_alarms = 1 - np.searchsorted(others, thresholds, "left") / len(others)
    within = false_alarms <= _FALSE_ALARMS
    return Membership(
        members=len(members),
        held_out=len(held_out),
        auc=auc,
        low=low,
        high=high,
        advantage=float((true_alarms - false_alarms).max()),
        found=float(true_alarms[within].max()) if within.any() else 0.0,
    )
