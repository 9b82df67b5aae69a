"""The signature `explain` of an exported model: the sampled Shapley values of a server, computed in the graph.

So that TensorFlow Serving, and whoever loads the model, gets explanations too.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from artifacts.explanations.shapley import Effort, walks
from artifacts.model.features import Feature
from artifacts.model.request import tensors
from artifacts.model.rows import Row, from_json
from core.errors import TrainingError

Tensors = Mapping[str, Any]
Predict = Callable[[Tensors], tf.Tensor]
"""The tensors of a request -> predictions, [rows, K]."""


class InGraph:
    """Explains rows of a request with walks and background rows that are constants of the graph."""

    def __init__(self, predict: Predict, features: Sequence[Feature], background: Sequence[Row], pairs: int) -> None:
        """Draw the walks; TrainingError for a feature with any number of values, and where there are no rows."""
        lists = [feature.name for feature in features if feature.is_list]
        if lists or not background:
            raise TrainingError(
                "train_model.explain_pairs: wanted background rows, and features with one value or a shape, got "
                f"{'features of any number of values: ' + ', '.join(lists) if lists else 'no row'}; leave it out: "
                "a server explains such models without a signature"
            )
        self._predict, self._features = predict, tuple(features)
        self._walks = walks(len(features), len(background), Effort(pairs, evaluations=1 << 16))
        self._background: dict[str, Any] = {}
        for feature in features:
            self._background |= tensors(feature, [from_json(row.get(feature.name)) for row in background])
        constants = {name: tf.constant(values) for name, values in self._background.items()}
        self._base = np.asarray(predict(constants), np.float64).reshape(len(background), -1)

    def __call__(self, request: Tensors) -> dict[str, tf.Tensor]:
        """Return `attributions`, [rows, features, K], and `base`, [rows, K]; without K where it is 1."""
        width = self._base.shape[1]
        spec = tf.TensorSpec([len(self._features), width], tf.float64)
        parts = tf.map_fn(self._row, dict(request), fn_output_signature=spec)
        mean = self._base[self._walks.background].mean(axis=0, keepdims=True)
        means = tf.tile(tf.constant(mean), [tf.shape(parts)[0], 1])
        if width == 1:
            parts, means = parts[:, :, 0], means[:, 0]
        return {"attributions": parts, "base": means}

    def _row(self, row: Tensors) -> tf.Tensor:
        """Return the parts of one row, [features, K]."""
        count, players = self._walks.order.shape
        # After each step but the last, which is the row itself, evaluated once.
        joined = self._walks.joined[:, :-1].reshape(-1, players)
        start = np.repeat(self._walks.background, players - 1)
        source = np.where(np.append(joined, [[True] * players], axis=0), 0, 1 + np.append(start, 0)[:, np.newaxis])
        mixed: dict[str, tf.Tensor] = {}
        for player, feature in enumerate(self._features):
            for name in filter(None, (feature.tensor, feature.count)):
                table = tf.concat([row[name][tf.newaxis], tf.constant(self._background[name])], axis=0)
                mixed[name] = tf.gather(table, source[:, player])
        width = self._base.shape[1]
        scores = tf.reshape(tf.cast(self._predict(mixed), tf.float64), [-1, width])
        first = tf.constant(self._base[self._walks.background][:, np.newaxis])
        last = tf.tile(scores[-1][tf.newaxis, tf.newaxis], [count, 1, 1])
        path = tf.concat([first, tf.reshape(scores[:-1], [count, players - 1, width]), last], axis=1)
        gained = path[:, 1:] - path[:, :-1]
        return tf.reduce_mean(tf.gather(gained, self._walks.place, batch_dims=1), axis=0)
