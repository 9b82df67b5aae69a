"""TFMA's metrics are the same summed in this process as in TFMA's own Beam pipeline, weighted or not."""

import dataclasses
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_model_analysis as tfma

from artifacts.evaluation.columns import MISSING
from artifacts.evaluation.result import (
    EvaluationResult,
    group_all,
    measure,
    measure_rows,
    slice_rows,
    tfma_numbers,
    with_tfma,
)
from artifacts.evaluation.scored_rows import ScoredRows
from artifacts.evaluation.slices import Column
from artifacts.evaluation.spec import EvaluationSpec
from artifacts.evaluation.tfma_in_process import Engine
from problems import kind
from problems.kind import TfmaMetric
from tests.tfma_pipeline import metrics_of

MORE = (
    TfmaMetric("SensitivityAtSpecificity", {"specificity": 0.8}),
    TfmaMetric("ConfusionMatrixAtThresholds", {"thresholds": [0.25, 0.5]}),
    TfmaMetric("BinaryCrossEntropy"),
)
TASKS: dict[str, dict[str, Any]] = {
    "binary_classification": {"more_metrics": MORE},
    "multiclass_classification": {},
    "regression": {},
}


def _scored(task: str) -> ScoredRows:
    """Make 300 rows with two models; some rows have no carrier, and one airport has no late flight."""
    random = np.random.default_rng(5)
    count = 300
    carrier, hour = random.integers(MISSING, 3, count).astype(np.int32), random.integers(0, 2, count).astype(np.int32)
    if task == "multiclass_classification":
        scores = random.dirichlet((1, 1, 1), (2, count)).astype(np.float32)
        labels = np.array([random.choice(3, p=row / row.sum()) for row in scores[0].astype(np.float64)], np.float64)
    elif task == "regression":
        labels = random.normal(3, 2, count).astype(np.float32).astype(np.float64)
        scores = (labels + random.normal(0, (0.5, 1.0), (count, 2)).T).astype(np.float32)
    else:
        scores = np.vstack([random.random((1, count)), random.random((1, count)) ** 2]).astype(np.float32)
        scores[0, :4] = (0.0, 1.0, 0.5, 0.99995)  # the edges of the histogram and of the threshold
        scores[1] = np.clip(scores[1], 0.01, 0.99)
        labels = (random.random(count) < scores[0]).astype(np.float64)
        labels[(carrier == 2) & (hour == 1)] = 0
        scores[0] = np.where(np.isin(scores[0], (0.0, 1.0)), np.where(labels > 0, 0.999, 0.001), scores[0])
    columns = {"carrier": Column(carrier, ["AA", "DL", "UA"]), "hour": Column(hour, [6, 18])}
    return ScoredRows(labels, {"candidate": scores[0], "baseline": scores[1]}, {}, columns)


def _flat(result: EvaluationResult) -> dict[tuple[Any, ...], float]:
    return {
        (item.key, model, name): value
        for item in result.slices
        for model, numbers in (("candidate", item.candidate), ("champion", item.champion or {}))
        for name, value in numbers.items()
    }


def _by_tfma(spec: EvaluationSpec, scored: ScoredRows, folder: Path) -> EvaluationResult:
    """Let TFMA's own pipeline compute the metrics."""
    found, models, grouped = metrics_of(spec, scored, folder), tuple(scored.models), group_all(spec, scored)
    numbers = {}
    for key, rows in slice_rows(scored, grouped).items():
        labels = scored.labels[rows]
        numbers[key] = tfma_numbers(spec, found[key], models, (labels.min(), labels.max()))
    return with_tfma(measure_rows(spec, scored, grouped), numbers)


def _in_parts(spec: EvaluationSpec, scored: ScoredRows) -> dict[tuple[Any, ...], float]:
    """Add up the pickled sums of parts of the rows, one of which has a single row, as workers do."""
    models, grouped = tuple(scored.models), group_all(spec, scored)
    engine, found = Engine(spec, models, weighted=scored.weights is not None), {}
    for key, rows in slice_rows(scored, grouped).items():
        bounds = ((0, 1), (1, 120), (120, len(scored.labels)))
        parts = [rows[(rows >= start) & (rows < end)] for start, end in bounds]
        sums = [engine.sums(key, part, scored.labels, scored.models, scored.weights) for part in parts if len(part)]
        another = Engine(spec, models, weighted=scored.weights is not None)
        values = another.results(key, another.added(key, pickle.loads(pickle.dumps(sums))))
        labels = scored.labels[rows]
        for model, numbers in tfma_numbers(spec, values, models, (labels.min(), labels.max())).items():
            name = "candidate" if model == "candidate" else "champion"
            found |= {(key, name, metric): value for metric, value in numbers.items()}
    return found


CASES = [*((task, True, False) for task in TASKS), *((task, True, True) for task in TASKS)]


@pytest.mark.parametrize(
    ("task", "champion", "weighted"),
    [
        *(pytest.param(*case, marks=pytest.mark.nightly("Beam takes ten seconds for it")) for case in CASES),
        ("binary_classification", False, False),
    ],
)
def test_both_engines_give_the_same_numbers(task: str, champion: bool, weighted: bool, tmp_path: Path) -> None:
    scored = _scored(task)
    if weighted:
        weights = np.random.default_rng(9).integers(0, 4, len(scored.labels)) / 2
        scored = dataclasses.replace(scored, weights=weights)
    if not champion:
        scored = dataclasses.replace(scored, models={"candidate": scored.models["candidate"]})
    found = {}
    for engine in ("in_process", "beam"):
        spec = EvaluationSpec(
            label="late",
            task=task,
            slices=(("carrier",), ("carrier", "hour")),
            **TASKS[task],
        )
        compute = measure if engine == "in_process" else _by_tfma
        found[engine] = _flat(compute(spec, scored, tmp_path / engine))
    ours, theirs = found["in_process"], found["beam"]
    assert set(ours) == set(theirs)
    assert len({key for key, _, _ in ours}) == 1 + 3 + 6
    for name, value in theirs.items():
        assert ours[name] == pytest.approx(value, rel=2e-6, abs=1e-9, nan_ok=True), name
    files = {
        engine: tfma.load_eval_result(str(tmp_path / engine), model_name="candidate" if champion else None)
        for engine in found
    }
    assert {key for key, _ in files["in_process"].slicing_metrics} == {key for key, _ in files["beam"].slicing_metrics}
    assert files["in_process"].config == files["beam"].config
    if task == "binary_classification":
        plots = {engine: dict(result.plots)[()] for engine, result in files.items()}
        assert json.dumps(plots["in_process"], sort_keys=True) == json.dumps(plots["beam"], sort_keys=True)


@pytest.mark.parametrize(("task", "champion", "weighted"), [*CASES, ("binary_classification", False, False)])
def test_sums_of_parts_are_those_of_all_rows(task: str, champion: bool, weighted: bool, tmp_path: Path) -> None:
    """One metric has no sums of ours, so that TFMA's combiner adds its rows."""
    scored = _scored(task)
    if weighted:
        scored = dataclasses.replace(scored, weights=np.random.default_rng(9).integers(0, 4, len(scored.labels)) / 2)
    if not champion:
        scored = dataclasses.replace(scored, models={"candidate": scored.models["candidate"]})
    spec = EvaluationSpec("late", task, slices=(("carrier",), ("carrier", "hour")), **TASKS[task])  # type: ignore[arg-type]
    whole, parts = _flat(measure(spec, scored, tmp_path)), _in_parts(spec, scored)
    assert {name for _, _, name in whole.keys() - parts.keys()} == set(
        kind(task).row_metrics(scored.labels, scored.models["candidate"])
    )
    for name, value in parts.items():
        assert value == pytest.approx(whole[name], rel=2e-6, abs=1e-9, nan_ok=True), name


def test_scores_that_are_no_probabilities_are_not_measured(tmp_path: Path) -> None:
    scored = _scored("binary_classification")
    logits = dataclasses.replace(scored, models={"candidate": scored.models["candidate"] * 4 - 2})
    result = measure(EvaluationSpec(label="late", task="binary_classification"), logits, tmp_path)
    assert "wanted probabilities" in result.faults[0]
    assert not result.slices


def test_hundreds_of_thousands_of_slices_are_bounded_and_counted(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    users = random.integers(0, 300_000, 400_000).astype(np.int32)
    labels = (random.random(len(users)) < 0.5).astype(np.float64)
    scores = random.random(len(users)).astype(np.float32)
    column = Column(users, list(range(300_000)))
    spec = EvaluationSpec(label="late", task="binary_classification", slices=(("user",),), max_slices=50)
    result = measure(spec, ScoredRows(labels, {"candidate": scores}, {}, {"user": column}), tmp_path)
    sizes = np.bincount(users)
    found = [item.examples for item in result.slices if item.key]
    assert sorted(found) == sorted(np.sort(sizes)[-50:])
    (left,) = result.left_out
    assert left.slices == np.count_nonzero(sizes) - 50
    assert left.rows == len(users) - sum(found)
