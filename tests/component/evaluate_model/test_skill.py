"""The numbers that the gate rests on, held against other people's implementations and against simulation."""

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import r2_score, roc_auc_score

from artifacts.evaluation.columns import Vocabulary, categories, numbers
from artifacts.evaluation.slices import Column, groups
from artifacts.matrix.usable_features import UsableFeatures
from components.evaluate_model.baselines import Linear, RateTable, Sample, ValueKey, fit_single_feature
from components.evaluate_model.leak import FeatureSkill
from core.errors import DataError
from problems import kind
from problems.auc import auc
from problems.binary import calibration_error


def _scores(
    count: int, seed: int, noise: tuple[float, float] = (1.0, 1.0)
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    truth = random.normal(size=count)
    labels = (truth + random.normal(size=count) > 0).astype(float)
    ours, theirs = (truth + random.normal(size=count) * amount for amount in noise)
    return labels, np.round(ours, 1), theirs


def test_auc_is_that_of_scikit_learn_with_ties() -> None:
    labels, ours, theirs = _scores(500, 0)
    assert auc(labels, ours) == pytest.approx(roc_auc_score(labels, ours), abs=1e-12)
    assert auc(labels, np.zeros(500)) == 0.5
    assert np.isnan(auc(np.ones(3), np.arange(3.0)))
    assert kind("regression").skill(ours, theirs) == pytest.approx(r2_score(ours, theirs))


def test_the_interval_of_a_gain_covers_no_gain_as_often_as_it_says() -> None:
    """400 worlds in which both predictors are equally good: a 95% interval leaves zero out about 20 times."""
    missed = {"binary_classification": 0, "regression": 0}
    for seed in range(400):
        labels, ours, theirs = _scores(300, seed)
        for task, truth in (("binary_classification", labels), ("regression", np.zeros(300) + labels)):
            found = kind(task).gain(truth, ours, theirs, 0.95)
            missed[task] += not found.low <= 0 <= found.high
            assert found.low <= found.value <= found.high
    assert 8 <= missed["binary_classification"] <= 34
    assert 8 <= missed["regression"] <= 34


def test_a_real_gain_is_found_and_a_paired_test_sees_more_than_an_unpaired_one() -> None:
    labels, ours, theirs = _scores(3000, 1, (0.5, 2.0))
    assert kind("binary_classification").gain(labels, ours, theirs, 0.95).low > 0
    alike = kind("binary_classification").gain(labels, ours, ours + 1e-3 * theirs, 0.95)
    assert alike.high - alike.low < 0.01


def _batch(**columns: list) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(
        [pa.array([None if v is None else [v] for v in values]) for values in columns.values()], list(columns)
    )


def test_missing_and_several_values_are_told_apart() -> None:
    batch = _batch(a=[b"x", None, b"y"], n=[1.5, None, 2.0])
    codes, values = categories(batch, "a")
    assert codes.tolist() == [0, -1, 1]
    assert values == ["x", "y"]
    assert np.isnan(numbers(batch, "n")).tolist() == [False, True, False]
    with pytest.raises(DataError, match="at most one value"):
        categories(pa.RecordBatch.from_arrays([pa.array([[1, 2], [3]])], ["several"]), "several")


def test_slices_leave_out_rows_without_the_feature() -> None:
    vocabulary = Vocabulary()
    first = vocabulary.add(*categories(_batch(a=[b"x", None, b"y"]), "a"))
    second = vocabulary.add(*categories(_batch(a=[b"y", b"z"]), "a"))
    column = Column(np.concatenate([first, second]), vocabulary.values)
    assert {key: rows.tolist() for key, rows in groups({"a": column}, ("a",), 1000).slices} == {
        (("a", "x"),): [0],
        (("a", "y"),): [2, 3],
        (("a", "z"),): [4],
    }
    assert groups({"a": Column(np.full(3, -1, np.int32), [])}, ("a",), 1000).slices == []


def test_a_rate_table_is_drawn_to_the_mean_and_answers_for_unseen_cells() -> None:
    sample = Sample(
        _batch(a=[b"x"] * 3 + [b"y"]),
        np.array([1.0, 1, 0, 0]),
        "binary_classification",
        UsableFeatures(categorical=("a",)),
    )
    table = RateTable([ValueKey(sample.batch, "a")], sample, smoothing=2)
    assert table.predict(_batch(a=[b"x", b"y", b"never", None])) == pytest.approx([(2 + 1) / 5, (0 + 1) / 3, 0.5, 0.5])
    assert RateTable([], sample, 20).predict(_batch(a=[b"x", b"q"])) == pytest.approx([0.5, 0.5])


def test_one_feature_is_measured_over_batches_as_over_all_rows() -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=2000)
    labels = (np.abs(values) + random.normal(0, 0.3, 2000) > 0.7).astype(float)
    batch = _batch(v=[None if value > 2 else float(value) for value in values])
    sample = Sample(batch, labels, "binary_classification", UsableFeatures(numeric=("v",)))
    table = fit_single_feature("v", sample, 20)
    skill = FeatureSkill("binary_classification", table)
    for start in range(0, 2000, 700):
        skill.add(batch.slice(start, 700), labels[start : start + 700])
    assert skill.value() == pytest.approx(auc(labels, table.predict(batch)))
    assert skill.value() > 0.9, "a relation that goes up on both sides is seen"


@pytest.mark.parametrize("task", ["binary_classification", "multiclass_classification", "regression"])
def test_a_linear_baseline_learns_and_survives_one_class_and_missing_columns(task: str) -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=500)
    labels = values if task == "regression" else (values > 0).astype(int)
    targets = np.eye(3)[labels] if task == "multiclass_classification" else labels.astype(float)
    batch = _batch(v=values.tolist(), c=[b"a", None] * 250, gone=pa.array([None] * 500, pa.float32()).to_pylist())
    batch = (
        batch.set_column(2, "gone", pa.array([None] * 500, pa.list_(pa.float32())))
        if hasattr(batch, "set_column")
        else batch
    )
    sample = Sample(batch, targets, task, UsableFeatures(("v",), ("c",)))
    assert kind(task).skill(labels, Linear(sample).predict(batch)) > 0.9
    same = Sample(batch, np.repeat(targets[:1], 500, axis=0), task, UsableFeatures(("v",), ("c",)))
    assert Linear(same).predict(batch).shape == targets.shape


def test_calibration_error_is_the_gap_between_scores_and_rates() -> None:
    assert calibration_error(np.array([0.0, 1, 0, 1]), np.full(4, 0.5)) == 0
    assert calibration_error(np.zeros(10), np.full(10, 0.3)) == pytest.approx(0.3)
