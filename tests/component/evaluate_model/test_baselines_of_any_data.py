"""Vectors, texts and pictures: the linear baseline uses them, and what it cannot use is named."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from artifacts.evaluation.result import Comparison, EvaluationResult, Slice
from artifacts.matrix.encodings import OneHot, Standardized, are_sparse, dense, sparse
from artifacts.matrix.usable_features import UsableFeatures
from components.evaluate_model import baselines
from components.evaluate_model.baselines import Linear, Sample
from components.evaluate_model.config import Config
from components.evaluate_model.gate import decide
from components.evaluate_model.mistakes import Mistake, Mistakes, draw
from components.evaluate_model.scored_parts import ScoredSplit
from core.decision import Verdict
from problems import kind
from problems.kind import Gain

ROWS = 400


def _png(bright: bool) -> bytes:
    return bytes(tf.io.encode_png(np.full((9, 9, 1), 200 if bright else 20, np.uint8)).numpy())


def _column(values: list[Any], kind: pa.DataType) -> pa.Array:
    return pa.array(values, pa.large_list(kind))


def _data() -> tuple[pa.RecordBatch, Any]:
    random = np.random.default_rng(0)
    labels = (np.arange(ROWS) % 2).astype(float)
    words = [
        [b"win a prize now %d" % row if label else b"see you at home %d" % row] for row, label in enumerate(labels)
    ]
    vectors = [(random.normal(size=4) + label).tolist() for label in labels]
    columns = {
        "text": _column(words, pa.large_binary()),
        "vector": _column(vectors, pa.float32()),
        "picture": _column([[_png(bool(label))] for label in labels], pa.large_binary()),
        "tags": _column([[b"a", b"b"] if label else [] for label in labels], pa.large_binary()),
        "ragged": _column([[1.0] * (row % 3) for row in range(ROWS)], pa.float32()),
        "blob": _column([[b"\xff\x00%d" % row] for row in range(ROWS)], pa.large_binary()),
    }
    return pa.RecordBatch.from_arrays(list(columns.values()), list(columns)), labels


def _scalars(missing: float, values: int) -> pa.RecordBatch:
    """Rows of a number and a category, of which some are missing."""
    random = np.random.default_rng(values)
    is_there = random.random((2, ROWS)) >= missing
    numbers = [[float(row % 7)] if is_there[0, row] else [] for row in range(ROWS)]
    words = [[b"%d" % random.integers(values)] if is_there[1, row] else None for row in range(ROWS)]
    columns = {"number": _column(numbers, pa.float32()), "word": _column(words, pa.large_binary())}
    return pa.RecordBatch.from_arrays(list(columns.values()), list(columns))


SCHEMA = text_format.Parse(
    "".join(
        f'feature {{ name: "{name}" type: {kind} }}\n'
        for name, kind in {
            "text": "BYTES", "vector": "FLOAT", "picture": "BYTES", "tags": "BYTES", "ragged": "FLOAT", "blob": "BYTES",
        }.items()
    ),
    schema_pb2.Schema(),
)  # fmt: skip


def test_features_are_sorted_out_by_what_they_hold() -> None:
    usable = UsableFeatures.of(_data()[0], SCHEMA, {"label"})
    assert (usable.texts, usable.vectors, usable.pictures) == (("text", "tags"), ("vector",), ("picture",))
    assert usable.left_out == {
        "ragged": "lists of 0 to 2 numbers",
        "blob": "bytes that are neither text nor an image",
    }


@pytest.mark.parametrize(("missing", "values"), [(0.0, 1), (0.0, 30), (0.3, 30), (0.3, ROWS), (1.0, 1)])
def test_a_sparse_matrix_has_what_a_dense_one_has(missing: float, values: int) -> None:
    batch = _scalars(missing, values)
    fitted = _scalars(missing, max(1, values // 2))  # so that there are values that are not known
    encodings = [OneHot(fitted, "word"), Standardized(fitted, "number"), OneHot(fitted, "word")]
    assert np.array_equal(sparse(encodings, batch).toarray(), dense(encodings, batch))


def test_a_linear_baseline_is_the_same_of_a_sparse_and_a_dense_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    batch, labels = _scalars(0.1, 30), (np.arange(ROWS) % 3 > 0).astype(float)
    sample = Sample(batch, labels, "binary_classification", UsableFeatures(numeric=("number",), categorical=("word",)))
    assert are_sparse([OneHot(batch, "word"), Standardized(batch, "number")])
    by_sparse = Linear(sample).predict(batch)
    monkeypatch.setattr(baselines, "are_sparse", lambda _: False)
    assert Linear(sample).predict(batch) == pytest.approx(by_sparse, abs=1e-9)


def test_a_regression_is_solved_of_a_dense_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    sample = Sample(_scalars(0.1, 30), np.arange(ROWS) % 7 + 0.5, "regression", UsableFeatures(categorical=("word",)))
    monkeypatch.setattr(baselines, "sparse", lambda *_: pytest.fail("a sparse matrix"))
    assert np.isfinite(Linear(sample).predict(sample.batch)).all()


@pytest.mark.parametrize(
    "used", [{"texts": ("text",)}, {"texts": ("tags",)}, {"vectors": ("vector",)}, {"pictures": ("picture",)}]
)
def test_a_linear_baseline_learns_from_any_data(used: dict[str, tuple[str, ...]]) -> None:
    batch, labels = _data()
    linear = Linear(Sample(batch, labels, "binary_classification", UsableFeatures(**used)))
    assert kind("binary_classification").skill(labels, linear.predict(batch)) > 0.9


def test_without_a_usable_feature_linear_is_the_mean() -> None:
    batch, labels = _data()
    assert set(Linear(Sample(batch, labels, "binary_classification", UsableFeatures())).predict(batch)) == {0.5}


def test_a_linear_baseline_that_is_no_better_than_none_decides_nothing() -> None:
    config = Config.model_validate(
        {
            "label": "y",
            "task": "binary_classification",
            "metrics": [{"name": "auc", "at_least": 0.6, "why": "measured on these flights"}],
            "baselines": [{"kind": "majority"}, {"kind": "linear"}],
        }
    )
    gain = Gain(0.1, 0.2, 0.3)
    comparisons = (Comparison("majority", 0.5, gain, True), Comparison("linear", 0.5, gain, True))
    result = EvaluationResult((Slice((), 500, {"auc": 0.7}),), 0.7, comparisons)
    scored = ScoredSplit(rows=None, feature_skill={}, parity=(), left_out={"blob": "bytes"})  # type: ignore[arg-type]
    decision = decide(config, result, scored, "")
    (check,) = [check for check in decision.checks if "linear" in check.rule]
    assert check.verdict is Verdict.UNDECIDED
    assert "must_beat: false" in check.next_step
    assert "blob (bytes)" in check.next_step


def test_the_worst_rows_are_kept_and_shown_with_pictures_and_text() -> None:
    kept = Mistakes()
    random = np.random.default_rng(0)
    values = random.random(500)
    for start in range(0, 500, 100):
        part = values[start : start + 100]
        for row in kept.worst_of(part):
            features = {"picture": [_png(True)], "text": [b"<script> " + b"word " * 90], "n": [1.5]}
            kept.add(part[row], Mistake(features, f"{part[row]:.6f}", "cat: 0.9"))
    assert [one.label for one in kept.worst()] == [f"{value:.6f}" for value in np.sort(values)[::-1][:12]]
    page = draw(kept.worst())
    assert page.count("data:image/png;base64,") == 12
    assert "<script>" not in page
    assert "…" in page
