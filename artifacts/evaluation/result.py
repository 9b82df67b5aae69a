"""Computes an evaluation: every metric of candidate and champion on every slice, and the gains over baselines."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from artifacts.evaluation import tfma_output
from artifacts.evaluation.columns import Values
from artifacts.evaluation.scored_rows import ScoredRows
from artifacts.evaluation.slices import OVERALL, Groups, Rows, SliceKey, groups
from artifacts.evaluation.spec import CANDIDATE, CHAMPION, EvaluationSpec, Features
from artifacts.evaluation.tfma_in_process import Engine, MetricsDict
from core.errors import ConfigError
from problems import kind
from problems.kind import Class, Gain

Numbers = dict[str, float]


@dataclass(frozen=True)
class Slice:
    """One slice, with each model's metrics by name."""

    key: SliceKey
    examples: int
    """Number of rows."""
    candidate: Numbers
    champion: Numbers | None = None


@dataclass(frozen=True)
class Comparison:
    """A baseline or the champion, compared with the candidate."""

    name: str
    skill: float
    gain: Gain
    """The candidate's skill minus this one's, with a confidence interval."""
    is_constant: bool = False
    """Whether it gives every row the same scores."""


@dataclass(frozen=True)
class LeftOut:
    """Slices of a cross beyond `max_slices`, which have no metrics."""

    features: Features
    slices: int
    rows: int


@dataclass(frozen=True)
class EvaluationResult:
    """The numbers that a gate compares with its rules; there are no slices when there are faults."""

    slices: tuple[Slice, ...]
    candidate_skill: float
    comparisons: tuple[Comparison, ...]
    faults: tuple[str, ...] = ()
    """Why nothing could be computed, such as scores that are not finite."""
    champion_fault: str = ""
    """Why nothing could be computed for the champion."""
    distinct: int = 2
    """Number of different scores of the candidate, counted up to two."""
    left_out: tuple[LeftOut, ...] = ()
    classes: tuple[Class, ...] = ()
    """Metrics per class; empty for regression."""

    @property
    def overall(self) -> Slice | None:
        """The slice of all rows; None when there are faults."""
        return next((item for item in self.slices if item.key == OVERALL), None)


def measure(spec: EvaluationSpec, scored: ScoredRows, folder: Path) -> EvaluationResult:
    """Compute all metrics and write TFMA's output to `folder`; rows that cannot be evaluated are returned as faults.

    Raises ConfigError for more slices than `max_slices` on Beam.
    """
    problem, labels, weights = kind(spec.task), scored.labels, scored.weights
    models, champion_fault = dict(scored.models), scored.champion_fault
    candidate = models[CANDIDATE]
    if CHAMPION in models:
        bad = _not_finite(models[CHAMPION])
        if bad:
            champion_fault = f"{bad} of {len(labels)} of the champion's predictions are not finite"
            del models[CHAMPION]
    distinct = 1 if len(labels) and (candidate == candidate[0]).all() else 2
    faults = tuple(_faults(spec, scored))
    if faults:
        return EvaluationResult((), math.nan, (), faults, champion_fault, distinct)
    others = {name: scores for name, scores in models.items() if name != CANDIDATE} | dict(scored.baselines)
    grouped = {features: groups(scored.columns, features, spec.max_slices) for features in spec.slices if features}
    return EvaluationResult(
        slices=tuple(_slices(spec, scored, models, grouped, folder)),
        candidate_skill=problem.skill(labels, candidate, weights),
        comparisons=tuple(
            Comparison(
                name,
                problem.skill(labels, scores, weights),
                problem.gain(labels, candidate, scores, spec.confidence, weights),
                bool((scores == scores[0]).all()),
            )
            for name, scores in others.items()
        ),
        champion_fault=champion_fault,
        distinct=distinct,
        left_out=tuple(
            LeftOut(features, slices.left_out, slices.rows_left_out)
            for features, slices in grouped.items()
            if slices.left_out
        ),
        classes=tuple(problem.classes(labels, candidate, scored.classes, spec.decision_threshold)),
    )


def _faults(spec: EvaluationSpec, scored: ScoredRows) -> Iterator[str]:
    labels, scores = scored.labels, scored.models[CANDIDATE]
    if len(labels) < spec.min_examples:
        yield f"the eval split has {len(labels)} rows, fewer than min_examples ({spec.min_examples})"
    bad = _not_finite(scores)
    if len(labels):
        yield from kind(spec.task).faults(labels, np.zeros_like(scores) if bad else scores)
    if bad:
        yield f"{bad} of {len(labels)} predictions are not finite"
    if scored.weights is not None and not scored.weights.sum() > 0:
        yield "no row of the eval split has a weight above 0"


def _not_finite(scores: Values) -> int:
    """Count the rows that have a score which is not finite."""
    rows = np.isfinite(scores).reshape(len(scores), -1).all(axis=1)
    return int(np.count_nonzero(~rows))


def _slices(
    spec: EvaluationSpec,
    scored: ScoredRows,
    models: dict[str, Values],
    grouped: Mapping[Features, Groups],
    folder: Path,
) -> Iterator[Slice]:
    """Compute TFMA's metrics with the configured engine, and add the row metrics of the problem's kind."""
    labels, weights = scored.labels, scored.weights
    rows: dict[SliceKey, Rows] = {OVERALL: np.arange(len(labels))}
    for groups_of_features in grouped.values():
        rows |= dict(groups_of_features.slices)
    without_baselines = ScoredRows(labels, models, {}, scored.columns, weights)
    if spec.beam_options:
        tfma_metrics = _on_beam(spec, without_baselines, grouped, folder)
    else:
        tfma_metrics = _in_process(spec, without_baselines, rows, folder)
    problem = kind(spec.task)
    for key, members in rows.items():
        slice_labels, slice_weights = labels[members], None if weights is None else weights[members]
        numbers = {}
        for name, scores in models.items():
            metrics = tfma_output.plain(tfma_metrics[key], name if CHAMPION in models else "")
            metrics |= problem.row_metrics(slice_labels, scores[members], slice_weights)
            undefined = {metric: math.nan for metric in metrics if problem.undefined(slice_labels, metric)}
            numbers[name] = metrics | undefined
        yield Slice(key, len(members), numbers[CANDIDATE], numbers.get(CHAMPION))


def _in_process(
    spec: EvaluationSpec, scored: ScoredRows, rows: Mapping[SliceKey, Rows], folder: Path
) -> dict[SliceKey, MetricsDict]:
    engine = Engine(spec, tuple(scored.models), weighted=scored.weights is not None)
    metrics = {
        key: engine.compute(key, members, scored.labels, scored.models, scored.weights) for key, members in rows.items()
    }
    tfma_output.write(folder, engine.config, metrics.items())
    return metrics


def _on_beam(
    spec: EvaluationSpec, scored: ScoredRows, grouped: Mapping[Features, Groups], folder: Path
) -> dict[SliceKey, MetricsDict]:
    from artifacts.evaluation import tfma_beam  # noqa: PLC0415 - Beam takes seconds to import

    for features, slices in grouped.items():
        if slices.left_out:
            count = len(slices.slices) + slices.left_out
            raise ConfigError(
                f"config.yaml: evaluate_model.slices: {list(features)} has {count} slices, "
                f"more than max_slices ({spec.max_slices}); with engine: beam raise max_slices or drop the slices"
            )
    return tfma_beam.run(spec, scored, folder)
