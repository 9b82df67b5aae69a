"""Computes an evaluation: every metric of candidate and champion on every slice, and the gains over baselines."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from artifacts.evaluation import tfma_output
from artifacts.evaluation.columns import Values
from artifacts.evaluation.scored_rows import ScoredRows
from artifacts.evaluation.slices import OVERALL, Groups, Rows, SliceKey, groups
from artifacts.evaluation.spec import CANDIDATE, CHAMPION, EvaluationSpec, Features
from artifacts.evaluation.tfma_in_process import Engine, MetricsDict
from problems import kind
from problems.kind import Class, Gain

Numbers = dict[str, float]
Grouped = Mapping[Features, Groups]
"""The slices of each cross, with their rows."""


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
    """Compute all metrics and write TFMA's output to `folder`; rows that cannot be evaluated are returned as faults."""
    grouped = group_all(spec, scored)
    result = measure_rows(spec, scored, grouped)
    if result.faults:
        return result
    models, _ = evaluated_models(scored)
    engine = Engine(spec, tuple(models), weighted=scored.weights is not None)
    messages, numbers = [], {}
    for key, rows in slice_rows(scored, grouped).items():
        values = engine.compute(key, rows, scored.labels, models, scored.weights)
        messages.append(tfma_output.Messages.of(key, values))
        labels = scored.labels[rows]
        numbers[key] = tfma_numbers(spec, values, tuple(models), (labels.min(), labels.max()))
    tfma_output.write(folder, engine.config, messages)
    return with_tfma(result, numbers)


def measure_rows(spec: EvaluationSpec, scored: ScoredRows, grouped: Grouped) -> EvaluationResult:
    """Compute all that TFMA does not have; rows that cannot be evaluated are returned as faults."""
    problem, labels, weights = kind(spec.task), scored.labels, scored.weights
    models, champion_fault = evaluated_models(scored)
    candidate = models[CANDIDATE]
    distinct = 1 if len(labels) and (candidate == candidate[0]).all() else 2
    found = tuple(faults(spec, scored))
    if found:
        return EvaluationResult((), math.nan, (), found, champion_fault, distinct)
    others = {name: scores for name, scores in models.items() if name != CANDIDATE} | dict(scored.baselines)
    skill, compared = problem.compare(labels, candidate, others, spec.confidence, weights)
    return EvaluationResult(
        slices=tuple(_slices(spec, scored, models, grouped)),
        candidate_skill=skill,
        comparisons=tuple(
            Comparison(name, *compared[name], bool((scores == scores[0]).all())) for name, scores in others.items()
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


def with_tfma(result: EvaluationResult, found: Mapping[SliceKey, Mapping[str, Numbers]]) -> EvaluationResult:
    """Add TFMA's numbers of every slice, by model, where a metric is defined for it."""
    return replace(
        result,
        slices=tuple(
            replace(
                one,
                candidate=found[one.key][CANDIDATE] | one.candidate,
                champion=None if one.champion is None else found[one.key][CHAMPION] | one.champion,
            )
            for one in result.slices
        ),
    )


def evaluated_models(scored: ScoredRows) -> tuple[dict[str, Values], str]:
    """Return the scores by model, and why the champion's are not among them; "" where they are, or there is none."""
    models, fault = dict(scored.models), scored.champion_fault
    if CHAMPION in models and (bad := _bad_rows(scored, CHAMPION)):
        fault = f"{bad} of {scored.rows} of the champion's predictions are not finite"
        del models[CHAMPION]
    return models, fault


def tfma_numbers(
    spec: EvaluationSpec, values: MetricsDict, models: tuple[str, ...], extremes: tuple[float, float]
) -> dict[str, Numbers]:
    """Return the numbers of each model from TFMA's results for a slice, with its smallest and its greatest label."""
    problem, labels = kind(spec.task), np.array(extremes)
    found = {name: tfma_output.plain(values, name if CHAMPION in models else "") for name in models}
    return {
        name: {metric: math.nan if problem.undefined(labels, metric) else value for metric, value in numbers.items()}
        for name, numbers in found.items()
    }


def group_all(spec: EvaluationSpec, scored: ScoredRows) -> Grouped:
    """Group the rows by each of the crosses."""
    return {features: _grouped_rows(spec, scored, features) for features in spec.slices if features}


def slice_rows(scored: ScoredRows, grouped: Grouped) -> dict[SliceKey, Rows]:
    """Return the rows of every slice that is evaluated, all rows first."""
    found: dict[SliceKey, Rows] = {OVERALL: np.arange(len(scored.labels))}
    for groups_of_features in grouped.values():
        found |= dict(groups_of_features.slices)
    return found


def _grouped_rows(spec: EvaluationSpec, scored: ScoredRows, features: Features) -> Groups:
    """Group the rows by crossed features: the largest slices, of a sample those that are the largest of all rows."""
    if scored.population is None or not scored.is_sample:
        return groups(scored.columns, features, spec.max_slices)
    found = dict(groups(scored.columns, features, len(scored.labels)).slices)
    none = np.zeros(0, np.int64)
    kept = [(key, found.get(key, none)) for key in scored.population.largest(features, spec.max_slices)]
    return Groups(kept, *scored.population.left_out(features, spec.max_slices))


def faults(spec: EvaluationSpec, scored: ScoredRows) -> Iterator[str]:
    """Yield why rows cannot be evaluated."""
    labels, scores, rows = scored.labels, scored.models[CANDIDATE], scored.rows
    if rows < spec.min_examples:
        yield f"the eval split has {rows} rows, fewer than min_examples ({spec.min_examples})"
    bad = _bad_rows(scored, CANDIDATE)
    if len(labels):
        yield from kind(spec.task).faults(labels, np.zeros_like(scores) if bad else scores)
    if bad:
        yield f"{bad} of {rows} predictions are not finite"
    if scored.weights is not None:
        total = scored.weights.sum() if scored.population is None else scored.population.weight
        if not (total or 0) > 0:
            yield "no row of the eval split has a weight above 0"


def _bad_rows(scored: ScoredRows, model: str) -> int:
    """Count the rows that have a score of a model which is not finite."""
    if scored.population is not None:
        return scored.population.not_finite.get(model, 0)
    return not_finite(scored.models[model])


def not_finite(scores: Values) -> int:
    """Count the rows that have a score which is not finite, [rows] or [rows, columns]."""
    rows = np.isfinite(scores).reshape(len(scores), -1).all(axis=1)
    return int(np.count_nonzero(~rows))


def _slices(
    spec: EvaluationSpec, scored: ScoredRows, models: Mapping[str, Values], grouped: Grouped
) -> Iterator[Slice]:
    """Compute the row metrics of the problem's kind."""
    labels, weights, population = scored.labels, scored.weights, scored.population
    totals = (
        {} if population is None else {key: one for part in population.slices.values() for key, one in part.items()}
    )
    for key, members in slice_rows(scored, grouped).items():
        slice_labels, slice_weights = labels[members], None if weights is None else weights[members]
        numbers = {
            name: kind(spec.task).row_metrics(slice_labels, scores[members], slice_weights) if len(members) else {}
            for name, scores in models.items()
        }
        total = totals.get(key)
        examples = len(members) if population is None else (total.rows if total else population.rows)
        yield Slice(key, examples, numbers[CANDIDATE], numbers.get(CHAMPION))
