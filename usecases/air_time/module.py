"""What the model of air_time sees and how it is built: tf.Transform's `preprocessing_fn`, and `build_model`.

The model predicts minutes: the label stays as it is, and the network's last layer has the label's scale.
"""

from typing import Any

import keras
import tensorflow as tf
import tensorflow_transform as tft

LABEL = "air_time"
CATEGORIES = ("carrier", "origin", "dest")
HOURS, WEEKDAYS = 24, 7
REQUIRED_NUMBERS = ("distance",)
OPTIONAL_NUMBERS = ("plane_seats", "previous_air_time")
NUMBERS = REQUIRED_NUMBERS + OPTIONAL_NUMBERS
SCALE, OFFSET = 94.0, 150.0
"""Standard deviation and mean of the air times of 2013, in minutes."""


def preprocessing_fn(inputs: dict[str, Any]) -> dict[str, tf.Tensor]:
    """Transform raw features to z-scores and indices, each of shape [rows, 1]; a missing one has its own."""
    outputs = {
        name: tft.compute_and_apply_vocabulary(inputs[name], num_oov_buckets=1, vocab_filename=name)
        for name in CATEGORIES
    }
    outputs["hour"] = tf.clip_by_value(inputs["hour"], 0, HOURS - 1)
    outputs["day_of_week"] = tf.clip_by_value(inputs["day_of_week"] - 1, 0, WEEKDAYS - 1)
    for name in NUMBERS:
        number = _dense(inputs[name])
        known = tf.math.is_finite(number)
        score = tft.scale_to_z_score(number)
        outputs[name] = tf.where(known & tf.math.is_finite(score), score, 0.0)
        if name in OPTIONAL_NUMBERS:
            outputs[f"{name}_missing"] = tf.cast(~known, tf.float32)
    outputs[LABEL] = inputs[LABEL]
    return outputs


def build_model(transform_output: tft.TFTransformOutput, hyperparameters: dict[str, Any]) -> keras.Model:
    """Build and compile a linear model beside a small network.

    Hyperparameters: hidden_units (list), embedding and learning_rate, which falls to nothing over `train_steps`.
    """
    sizes = {name: transform_output.vocabulary_size_by_name(name) + 1 for name in CATEGORIES}
    sizes |= {"hour": HOURS, "day_of_week": WEEKDAYS}
    numbers = [*NUMBERS, *(f"{name}_missing" for name in OPTIONAL_NUMBERS)]
    inputs = {name: keras.Input((1,), name=name, dtype="int64") for name in sizes}
    inputs |= {name: keras.Input((1,), name=name, dtype="float32") for name in numbers}
    width = int(hyperparameters.get("embedding", 4))
    embedded = [
        keras.layers.Flatten()(keras.layers.Embedding(size, width, name=f"{name}_embedding")(inputs[name]))
        for name, size in sizes.items()
    ]
    features = keras.layers.Concatenate(name="features")([*(inputs[name] for name in numbers), *embedded])
    hidden = features
    for layer, units in enumerate(hyperparameters.get("hidden_units", (32, 16))):
        hidden = keras.layers.Dense(int(units), activation="relu", name=f"hidden_{layer}")(hidden)
    score = keras.layers.Add(name="score")(
        [keras.layers.Dense(1, name="linear")(features), keras.layers.Dense(1, use_bias=False, name="deep")(hidden)]
    )
    model = keras.Model(inputs, keras.layers.Rescaling(SCALE, OFFSET, name="minutes")(score))
    rate = keras.optimizers.schedules.CosineDecay(
        float(hyperparameters.get("learning_rate", 0.01)), int(hyperparameters["train_steps"])
    )
    model.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss=keras.losses.Huber(delta=20.0),
        metrics=[keras.metrics.MeanAbsoluteError(name="mean_absolute_error")],
        jit_compile=False,
    )
    return model


def _dense(feature: Any) -> tf.Tensor:
    """Return a float column with NaN where a row has no value."""
    if isinstance(feature, tf.SparseTensor):
        return tft.sparse_tensor_to_dense_with_shape(feature, [None, 1], default_value=float("nan"))
    return feature
