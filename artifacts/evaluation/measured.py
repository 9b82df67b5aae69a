"""All numbers of an evaluation: every metric of both models on every slice, and the gains over the others."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from artifacts.evaluation import tfma_output
from artifacts.evaluation.columns import Values
from artifacts.evaluation.measures import CANDIDATE, CHAMPION, Features, Measures
from artifacts.evaluation.scored_rows import ScoredRows
from artifacts.evaluation.slices import OVERALL, Groups, Rows, SliceKey, groups
from artifacts.evaluation.tfma_in_process import Engine, MetricsDict
from core.errors import ConfigError
from problems import kind
from problems.kind import Class, Gain

Numbers = dict[str, float]


@dataclass(frozen=True)
class Slice:
    """One slice: how many rows, and each model's metrics by name."""

    key: SliceKey
    examples: int
    candidate: Numbers
    champion: Numbers | None = None


@dataclass(frozen=True)
class Comparison:
    """A baseline or the champion beside the candidate: its skill, and how much more the candidate has."""

    name: str
    skill: float
    gain: Gain
    is_constant: bool = False
    """Whether it gives every row the same scores."""


@dataclass(frozen=True)
class LeftOut:
    """Slices of a cross that were too many to be measured."""

    features: Features
    slices: int
    rows: int


@dataclass(frozen=True)
class Measured:
    """What a gate decides by; without slices when the scores cannot be measured at all."""

    slices: tuple[Slice, ...]
    candidate_skill: float
    comparisons: tuple[Comparison, ...]
    faults: tuple[str, ...] = ()
    """Why nothing could be measured, such as scores that are not finite."""
    champion_fault: str = ""
    """Why the champion could not be measured."""
    distinct: int = 2
    """How many different scores the candidate gives, counted up to two."""
    left_out: tuple[LeftOut, ...] = ()
    classes: tuple[Class, ...] = ()

    @property
    def overall(self) -> Slice | None:
        """All of the data."""
        return next((item for item in self.slices if item.key == OVERALL), None)


def measure(measures: Measures, scored: ScoredRows, folder: Path) -> Measured:
    """Compute every number and write TFMA's output below `folder`; rows that cannot be measured come back as faults."""
    problem, labels, weights = kind(measures.task), scored.labels, scored.weights
    models, champion_fault = dict(scored.models), scored.champion_fault
    candidate = models[CANDIDATE]
    if CHAMPION in models and (bad := _not_finite(models[CHAMPION])):
        champion_fault = f"{bad} of {len(labels)} of the champion's predictions are not finite"
        del models[CHAMPION]
    distinct = 1 if len(labels) and (candidate == candidate[0]).all() else 2
    if faults := tuple(_faults(measures, scored)):
        return Measured((), math.nan, (), faults, champion_fault, distinct)
    others = {name: scores for name, scores in models.items() if name != CANDIDATE} | dict(scored.baselines)
    parted = {
        features: groups(scored.columns, features, measures.max_slices) for features in measures.slices if features
    }
    return Measured(
        slices=tuple(_slices(measures, scored, models, parted, folder)),
        candidate_skill=problem.skill(labels, candidate, weights),
        comparisons=tuple(
            Comparison(
                name,
                problem.skill(labels, scores, weights),
                problem.gain(labels, candidate, scores, measures.confidence, weights),
                bool((scores == scores[0]).all()),
            )
            for name, scores in others.items()
        ),
        champion_fault=champion_fault,
        distinct=distinct,
        left_out=tuple(
            LeftOut(features, found.left_out, found.rows_left_out)
            for features, found in parted.items()
            if found.left_out
        ),
        classes=tuple(problem.classes(labels, candidate, scored.classes, measures.decision_threshold)),
    )


def _faults(measures: Measures, scored: ScoredRows) -> Iterator[str]:
    labels, scores = scored.labels, scored.models[CANDIDATE]
    if len(labels) < measures.min_examples:
        few = f"fewer than the {measures.min_examples} that a verdict can rest on"
        yield f"the eval split has {len(labels)} rows, {few}"
    bad = _not_finite(scores)
    found = list(kind(measures.task).faults(labels, np.zeros_like(scores) if bad else scores)) if len(labels) else []
    yield from found
    if bad:
        yield f"{bad} of {len(labels)} predictions are not finite"
    if scored.weights is not None and not scored.weights.sum() > 0:
        yield "no row of the eval split has a weight above 0"


def _not_finite(scores: Values) -> int:
    rows = np.isfinite(scores).reshape(len(scores), -1).all(axis=1)
    return int(np.count_nonzero(~rows))


def _slices(
    measures: Measures,
    scored: ScoredRows,
    models: dict[str, Values],
    parted: Mapping[Features, Groups],
    folder: Path,
) -> Iterator[Slice]:
    """Take TFMA's numbers from the engine that is asked for, and our own from the rows."""
    labels, weights = scored.labels, scored.weights
    rows: dict[SliceKey, Rows] = {OVERALL: np.arange(len(labels))}
    rows |= {key: members for found in parted.values() for key, members in found.found}
    measured = ScoredRows(labels, models, {}, scored.columns, weights)
    found = _on_beam(measures, measured, parted, folder) if measures.beam_options else None
    if found is None:
        found = _in_process(measures, measured, rows, folder)
    problem = kind(measures.task)
    for key, members in rows.items():
        truth, heavy = labels[members], None if weights is None else weights[members]
        numbers = {}
        for name, scores in models.items():
            plain = tfma_output.plain(found[key], name if CHAMPION in models else "")
            plain |= problem.row_metrics(truth, scores[members], heavy)
            numbers[name] = {
                metric: math.nan if problem.undefined(truth, metric) else value for metric, value in plain.items()
            }
        yield Slice(key, len(members), numbers[CANDIDATE], numbers.get(CHAMPION))


def _in_process(
    measures: Measures, scored: ScoredRows, rows: Mapping[SliceKey, Rows], folder: Path
) -> dict[SliceKey, MetricsDict]:
    engine = Engine(measures, tuple(scored.models), weighted=scored.weights is not None)
    found = {
        key: engine.compute(key, members, scored.labels, scored.models, scored.weights) for key, members in rows.items()
    }
    tfma_output.write(folder, engine.asked, found.items())
    return found


def _on_beam(
    measures: Measures, scored: ScoredRows, parted: Mapping[Features, Groups], folder: Path
) -> dict[SliceKey, MetricsDict]:
    from artifacts.evaluation import tfma_beam  # noqa: PLC0415 - Beam takes seconds to import

    for features, found in parted.items():
        if found.left_out:
            raise ConfigError(
                f"config.yaml: evaluate_model.slices: {list(features)} has {len(found.found) + found.left_out} slices, "
                f"more than max_slices ({measures.max_slices}); with engine: beam raise max_slices or drop the slices"
            )
    return tfma_beam.run(measures, scored, folder)
