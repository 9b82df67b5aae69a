"""Boosted trees as TensorFlow operations answer as scikit-learn does, on every value that a row can have."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from training.families.forest import Forest, Trees, trees_of

ROWS, COLUMNS = 400, 5


def _rows(seed: int) -> Any:
    """Numbers with few different values, so that rows lie exactly on thresholds, and some missing ones."""
    random = np.random.default_rng(seed)
    values = np.round(random.normal(size=(ROWS, COLUMNS)), 1).astype(np.float32)
    values[random.random(values.shape) < 0.1] = np.nan
    return values


def _fitted(classes: int, rows: Any, iterations: int = 8) -> Any:
    signal = np.nan_to_num(rows[:, 0]) * np.nan_to_num(rows[:, 1]) + np.nan_to_num(rows[:, 2])
    with threadpool_limits(limits=1):
        if classes == 0:
            return HistGradientBoostingRegressor(max_iter=iterations, early_stopping=False).fit(rows, signal * 50)
        labels = np.digitize(signal, np.quantile(signal, np.linspace(0, 1, classes + 1)[1:-1]))
        return HistGradientBoostingClassifier(max_iter=iterations, early_stopping=False).fit(rows, labels)


def _sums(trees: Trees, rows: Any) -> Any:
    given = keras.Input((rows.shape[1],))
    return keras.Model(given, Forest(trees)(given))(rows).numpy()


@pytest.mark.parametrize("classes", [0, 2, 4])
def test_the_operations_answer_as_scikit_learn_also_on_thresholds_and_missing_values(classes: int) -> None:
    rows = _rows(classes)
    model = _fitted(classes, rows)
    sums = _sums(trees_of(model), _rows(9))
    if classes == 0:
        np.testing.assert_allclose(sums[:, 0], model.predict(_rows(9)), rtol=1e-5, atol=1e-4)
        return
    scores = tf.sigmoid(sums)[:, 0] if classes == 2 else tf.nn.softmax(sums)
    wanted = model.predict_proba(_rows(9))
    np.testing.assert_allclose(scores, wanted[:, 1] if classes == 2 else wanted, atol=1e-6)


def test_a_value_on_a_threshold_goes_left_and_the_next_float_right() -> None:
    rows = _rows(1)
    model = _fitted(2, rows, iterations=1)
    nodes = model._predictors[0][0].nodes
    exact = nodes["num_threshold"][nodes["is_leaf"] == 0]
    for threshold in exact[:10]:
        below = np.float32(threshold) if np.float64(np.float32(threshold)) <= threshold else None
        near = [np.nextafter(np.float32(threshold), np.float32(side)) for side in (-np.inf, np.inf)]
        for value in (*near, *([] if below is None else [below])):
            asked = np.full((1, COLUMNS), value, np.float32)
            got = tf.sigmoid(_sums(trees_of(model), asked))[0, 0]
            assert float(got) == pytest.approx(model.predict_proba(asked)[0, 1], abs=1e-6)


def test_the_first_iterations_alone_are_a_smaller_forest() -> None:
    rows = _rows(2)
    model = _fitted(2, rows, iterations=6)
    few, many = trees_of(model, 2), trees_of(model)
    assert few.values < many.values
    staged = list(model.staged_predict_proba(rows))
    np.testing.assert_allclose(tf.sigmoid(_sums(few, rows))[:, 0], staged[1][:, 1], atol=1e-6)
