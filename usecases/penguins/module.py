"""What the model of penguins sees and how it is built: tf.Transform's `preprocessing_fn`, and `build_model`."""

from typing import Any

import keras
import tensorflow as tf
import tensorflow_transform as tft

LABEL = "species"
CLASSES = 3
NUMBERS = ("bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g")
CATEGORIES = ("island", "sex")


def preprocessing_fn(inputs: dict[str, Any]) -> dict[str, tf.Tensor]:
    """Transform raw features to z-scores and indices, each of shape [rows, 1]; a missing one has its own."""
    outputs = {}
    for name in NUMBERS:
        number = _dense(inputs[name], float("nan"))
        known = tf.math.is_finite(number)
        score = tft.scale_to_z_score(number)
        outputs[name] = tf.where(known & tf.math.is_finite(score), score, 0.0)
        outputs[f"{name}_missing"] = tf.cast(~known, tf.float32)
    for name in CATEGORIES:
        outputs[name] = tft.compute_and_apply_vocabulary(
            _dense(inputs[name], ""), num_oov_buckets=1, vocab_filename=name
        )
    outputs[LABEL] = inputs[LABEL]
    return outputs


def build_model(transform_output: tft.TFTransformOutput, hyperparameters: dict[str, Any]) -> keras.Model:
    """Build and compile a small network; hyperparameters: hidden_units, dropout and learning_rate."""
    sizes = {name: transform_output.vocabulary_size_by_name(name) + 1 for name in CATEGORIES}
    numbers = [*NUMBERS, *(f"{name}_missing" for name in NUMBERS)]
    inputs = {name: keras.Input((1,), name=name, dtype="float32") for name in numbers}
    inputs |= {name: keras.Input((1,), name=name, dtype="int64") for name in CATEGORIES}
    features = [inputs[name] for name in numbers]
    for name, size in sizes.items():
        features.append(keras.layers.CategoryEncoding(size, name=f"{name}_one_hot")(inputs[name]))
    hidden = keras.layers.Concatenate(name="features")(features)
    hidden = keras.layers.Dense(int(hyperparameters.get("hidden_units", 16)), activation="relu", name="hidden")(hidden)
    hidden = keras.layers.Dropout(float(hyperparameters.get("dropout", 0.2)), name="dropout")(hidden)
    species = keras.layers.Dense(CLASSES, activation="softmax", name=LABEL)(hidden)
    model = keras.Model(inputs, species)
    model.compile(
        optimizer=keras.optimizers.Adam(float(hyperparameters.get("learning_rate", 0.01))),
        loss="sparse_categorical_crossentropy",
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
        jit_compile=False,
    )
    return model


def _dense(feature: Any, default: float | str) -> tf.Tensor:
    """Return a column with a default where a row has no value."""
    if isinstance(feature, tf.SparseTensor):
        return tft.sparse_tensor_to_dense_with_shape(feature, [None, 1], default_value=default)
    return feature
