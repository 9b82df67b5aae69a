"""All numbers of an evaluation: every metric of every rival on every slice, and the gains over champion and baselines."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from components.evaluate_model import tfma_beam, tfma_in_process, tfma_output
from components.evaluate_model.columns import Values
from components.evaluate_model.config import Config
from components.evaluate_model.eval_config import CANDIDATE, CHAMPION, eval_config
from components.evaluate_model.judged import Judged
from components.evaluate_model.row_metrics import row_metrics
from components.evaluate_model.skill import NAMES, Gain, gain, skill
from components.evaluate_model.slices import OVERALL, SliceKey, groups

Numbers = dict[str, float]


@dataclass(frozen=True)
class Slice:
    """One slice: how many rows, and each model's metrics by name."""

    key: SliceKey
    examples: int
    candidate: Numbers
    champion: Numbers | None = None


@dataclass(frozen=True)
class Rival:
    """A baseline or the champion beside the candidate: its skill, and how much more the candidate has."""

    name: str
    skill: float
    gain: Gain


@dataclass(frozen=True)
class Measured:
    """What the gate decides by; without slices when the predictions cannot be measured at all."""

    slices: tuple[Slice, ...]
    candidate_skill: float
    rivals: tuple[Rival, ...]
    feature_skill: Mapping[str, float]
    faults: tuple[str, ...] = ()
    """Why nothing could be measured, such as predictions that are not finite."""
    champion_fault: str = ""
    """Why the champion could not be measured."""
    distinct: int = field(default=2)
    """How many different predictions the candidate makes, counted up to two."""

    @property
    def overall(self) -> Slice | None:
        """All of the data."""
        return next((item for item in self.slices if item.key == OVERALL), None)


def measure(config: Config, judged: Judged, folder: Path) -> Measured:
    """Compute every number and write TFMA's output below `folder`; data that cannot be measured comes back as faults."""
    faults = tuple(_faults(config, judged))
    models, champion_fault = dict(judged.models), judged.champion_fault
    if CHAMPION in models and (bad := _not_finite(models[CHAMPION])):
        champion_fault = f"{bad} of {len(judged.labels)} of the champion's predictions are not finite"
        del models[CHAMPION]
    distinct = 1 if len(judged.labels) and (judged.models[CANDIDATE] == judged.models[CANDIDATE][0]).all() else 2
    if faults:
        return Measured((), float("nan"), (), judged.feature_skill, faults, champion_fault, distinct)
    others = {name: scores for name, scores in models.items() if name != CANDIDATE} | dict(judged.baselines)
    return Measured(
        slices=tuple(_slices(config, judged, models, folder)),
        candidate_skill=skill(config.task, judged.labels, models[CANDIDATE]),
        rivals=tuple(_rival(config, judged.labels, models[CANDIDATE], name, scores) for name, scores in others.items()),
        feature_skill=judged.feature_skill,
        champion_fault=champion_fault,
        distinct=distinct,
    )


def _faults(config: Config, judged: Judged) -> list[str]:
    labels, predictions = judged.labels, judged.models[CANDIDATE]
    faults = []
    if len(labels) < config.min_examples:
        faults.append(
            f"the eval split has {len(labels)} rows, fewer than the {config.min_examples} that a verdict can rest on"
        )
    if config.task != "regression" and len(np.unique(labels)) < 2:
        faults.append(f"all {len(labels)} labels of the eval split are of one class")
    if bad := _not_finite(predictions):
        faults.append(f"{bad} of {len(labels)} predictions are not finite")
    elif config.task != "regression" and (np.min(predictions) < 0 or np.max(predictions) > 1):
        faults.append(
            f"predictions are from {np.min(predictions):.4g} to {np.max(predictions):.4g}: wanted probabilities"
        )
    return faults


def _not_finite(predictions: Values) -> int:
    rows = np.isfinite(predictions).reshape(len(predictions), -1).all(axis=1)
    return int(np.count_nonzero(~rows))


def _rival(config: Config, labels: Values, candidate: Values, name: str, scores: Values) -> Rival:
    return Rival(
        name, skill(config.task, labels, scores), gain(config.task, labels, candidate, scores, config.confidence)
    )


def _slices(config: Config, judged: Judged, models: dict[str, Values], folder: Path) -> Iterator[Slice]:
    """Take TFMA's numbers from the engine that the configuration names, and our own from the rows."""
    labels, columns = judged.labels, dict(judged.columns)
    if config.engine == "beam":
        found = tfma_beam.run(config, labels, models, columns, folder)
        rows = {OVERALL: np.arange(len(labels))} | {
            key: rows for features in config.slices if features for key, rows in groups(columns, features)
        }
        computed = [(key, members, found[key]) for key, members in rows.items()]
    else:
        computed = list(tfma_in_process.compute(config, labels, models, columns))
        tfma_output.write(
            folder,
            eval_config(config, with_champion=CHAMPION in models, plots=True),
            [(key, values) for key, _, values in computed],
        )
    for key, members, values in computed:
        truth = labels[members]
        ours = {name: row_metrics(config.task, truth, scores[members]) for name, scores in models.items()}
        plain = {name: tfma_output.plain(values, name if CHAMPION in models else "") for name in models}
        numbers = {name: _defined(config, truth, plain[name] | ours[name]) for name in models}
        yield Slice(key, len(members), numbers[CANDIDATE], numbers.get(CHAMPION))


def _defined(config: Config, labels: Values, numbers: Numbers) -> Numbers:
    """Take back the AUC of one class: TFMA gives it as 0, which is a number but not an answer."""
    if config.task != "binary_classification" or len(np.unique(labels)) > 1:
        return numbers
    return {name: math.nan if name.startswith("auc") else value for name, value in numbers.items()}


def primary(config: Config) -> str:
    """Name what skills and gains are measured in."""
    return NAMES[config.task]
