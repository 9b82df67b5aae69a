"""What the model of flight_delay sees and how it is built: tf.Transform's `preprocessing_fn`, and `build_model`.

`preprocessing_fn` is analyzed on the training data once and travels inside the exported model, so that a request and a
training row are transformed by the same graph. Everything it returns is finite, whatever the row is missing.
"""

from typing import Any

import keras
import tensorflow as tf
import tensorflow_transform as tft

LABEL = "late"
CATEGORIES = ("carrier", "origin", "dest")
HOURS, WEEKDAYS = 24, 7
REQUIRED_NUMBERS = ("distance",)
OPTIONAL_NUMBERS = (
    "plane_age",
    "plane_seats",
    "humid",
    "wind_dir",
    "wind_speed",
    "wind_gust",
    "precip",
    "pressure",
    "visib",
)
"""Temperature and dew point are left out: over three months they tell the season, and the next has another."""
NUMBERS = REQUIRED_NUMBERS + OPTIONAL_NUMBERS
BUCKETED = ("humid", "pressure", "wind_speed")
BUCKETS = 8
CROSSES = (("carrier", "hour"), ("origin", "hour"), ("day_of_week", "hour"), ("dest", "origin"))
LIMIT = 4.0
"""Numbers are kept within this many standard deviations: one wild reading must not decide a prediction."""


def preprocessing_fn(inputs: dict[str, Any]) -> dict[str, tf.Tensor]:
    """Transform raw features, columns of one value per row or of none; all outputs are finite.

    They are [rows, 1], but for NUMBERS and which of OPTIONAL_NUMBERS are missing, which have a column each.
    """
    outputs = {
        name: tft.compute_and_apply_vocabulary(inputs[name], num_oov_buckets=1, vocab_filename=name)
        for name in CATEGORIES
    }
    outputs["hour"] = tf.clip_by_value(inputs["hour"], 0, HOURS - 1)
    outputs["day_of_week"] = tf.clip_by_value(inputs["day_of_week"] - 1, 0, WEEKDAYS - 1)
    numbers = tf.concat([_dense(inputs[name]) for name in NUMBERS], axis=1)
    known = tf.math.is_finite(numbers)
    is_known = tf.cast(known, tf.int64)
    numbers = tf.where(known, numbers, float("nan"))
    # Columns of their own would be split here and joined in the model: a request spends its time on the number of
    # operations.
    outputs["numbers"] = _scaled(numbers)
    outputs["missing"] = tf.cast(~known, tf.float32)[:, len(REQUIRED_NUMBERS) :]
    for name in BUCKETED:
        column = slice(NUMBERS.index(name), NUMBERS.index(name) + 1)
        outputs[f"{name}_bucket"] = _bucketed(numbers[:, column], is_known[:, column])
    # Serving requests carry no label; TFT leaves out what cannot be computed from the features that are there.
    outputs[LABEL] = inputs[LABEL]
    return outputs


def build_model(transform_output: tft.TFTransformOutput, hyperparameters: dict[str, Any]) -> keras.Model:
    """Build and compile a wide and deep model over the transformed features.

    The wide part is a logistic regression with crosses of two categories, the deep part a small network over embeddings
    and numbers. Hyperparameters: hidden_units (list), embedding, dropout, learning_rate and cross_l2; the learning rate
    falls to nothing over `train_steps`.
    """
    sizes = {name: transform_output.vocabulary_size_by_name(name) + 1 for name in CATEGORIES} | {
        "hour": HOURS,
        "day_of_week": WEEKDAYS,
    }
    buckets = {f"{name}_bucket": BUCKETS + 1 for name in BUCKETED}
    inputs = {name: keras.Input((1,), name=name, dtype="int64") for name in (*sizes, *buckets)}
    numbers = {"numbers": len(NUMBERS), "missing": len(OPTIONAL_NUMBERS)}
    inputs |= {name: keras.Input((width,), name=name, dtype="float32") for name, width in numbers.items()}
    numeric = keras.layers.Concatenate(name="numeric")([inputs[name] for name in numbers])
    crosses = {pair: inputs[pair[0]] * sizes[pair[1]] + inputs[pair[1]] for pair in CROSSES}
    cross_sizes = [sizes[left] * sizes[right] for left, right in CROSSES]
    regularizer = keras.regularizers.L2(float(hyperparameters.get("cross_l2", 1e-5)))
    logits = [
        _lookup("categories", [inputs[name] for name in (*sizes, *buckets)], [*sizes.values(), *buckets.values()], 1),
        _lookup("crosses", list(crosses.values()), cross_sizes, 1, regularizer),
        keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros", name="weights")(numeric),
        _deep([inputs[name] for name in sizes], list(sizes.values()), numeric, hyperparameters),
    ]
    probability = keras.layers.Activation("sigmoid", name="probability")(keras.layers.Add(name="logit")(logits))
    rate = keras.optimizers.schedules.CosineDecay(
        float(hyperparameters.get("learning_rate", 3e-3)), int(hyperparameters["train_steps"])
    )
    model = keras.Model(inputs, probability)
    model.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss="binary_crossentropy",
        metrics=[keras.metrics.AUC(name="auc")],
        jit_compile=False,
    )
    return model


def _dense(feature: Any) -> tf.Tensor:
    """Return a float column with NaN where a row has no value."""
    if isinstance(feature, tf.SparseTensor):
        return tft.sparse_tensor_to_dense_with_shape(feature, [None, 1], default_value=float("nan"))
    return feature


def _scaled(numbers: tf.Tensor) -> tf.Tensor:
    """Return z-scores within LIMIT, column by column; 0, the mean, for NaN or when no row has a value.

    One analyzer for all columns: tf.Transform traces every analyzer several times, most of the time of a small run.
    """
    scores = tft.scale_to_z_score(numbers, elementwise=True)
    return tf.clip_by_value(tf.where(tf.math.is_finite(scores), scores, 0.0), -LIMIT, LIMIT)


def _bucketed(number: tf.Tensor, is_known: tf.Tensor) -> tf.Tensor:
    """Return the quantile bucket from 1, and 0 for what is missing: NaN, where `is_known` is 0."""
    return (tft.bucketize(number, BUCKETS) + 1) * is_known


def _deep(categories: list[Any], sizes: list[int], numeric: Any, hyperparameters: dict[str, Any]) -> Any:
    """Return the logit of a small network on embeddings and numbers."""
    embedded = _lookup("embeddings", categories, sizes, int(hyperparameters.get("embedding", 4)))
    hidden = keras.layers.Concatenate(name="deep")([embedded, numeric])
    for layer, units in enumerate(hyperparameters.get("hidden_units", (64, 32))):
        hidden = keras.layers.Dense(int(units), activation="relu", name=f"hidden_{layer}")(hidden)
        hidden = keras.layers.Dropout(float(hyperparameters.get("dropout", 0.5)), name=f"dropout_{layer}")(hidden)
    return keras.layers.Dense(1, name="deep_logit")(hidden)


def _lookup(name: str, indices: list[Any], sizes: list[int], width: int, regularizer: Any = None) -> Any:
    """Look several features up in one table, each in its own range: weights to add up for width 1, else embeddings."""
    offsets = [sum(sizes[:position]) for position in range(len(sizes))]
    # Offsets come first: Keras makes a BiasAdd of `indices + offsets`, which TensorFlow Lite has for floats alone.
    index = tf.constant([offsets], tf.int64) + keras.layers.Concatenate(name=f"{name}_index")(indices)
    start = "zeros" if width == 1 else "uniform"
    return _Table(sum(sizes), width, embeddings_initializer=start, embeddings_regularizer=regularizer, name=name)(index)


class _Table(keras.layers.Embedding):  # type: ignore[misc]
    """Looks indices up: [rows, features] gives weights that are added up for width 1, else embeddings side by side.

    Keras counts negative indices from the end and flattens with sizes that are found while it runs: seven operations
    instead of two, in every request.
    """

    def call(self, indices: Any) -> Any:
        """Return what the rows of the table give, [rows, n]."""
        found = tf.gather(self.embeddings, indices)
        if self.output_dim == 1:
            return tf.reduce_sum(found, axis=1)
        return tf.reshape(found, [-1, indices.shape[1] * self.output_dim])

    def compute_output_shape(self, input_shape: tuple[int | None, int]) -> tuple[int | None, int]:
        """Return the shape of the result."""
        return (input_shape[0], 1 if self.output_dim == 1 else input_shape[1] * self.output_dim)
