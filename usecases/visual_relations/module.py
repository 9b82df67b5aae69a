"""What the model of relations sees and how it is built: the picture, both boxes, and both kinds."""

from typing import Any

import keras
import tensorflow as tf
import tensorflow_transform as tft

LABEL = "relation"
SIDE = 40
CLASSES = 3
KINDS = ("subject", "object")
BOXES = tuple(f"{kind}_{side}" for kind in KINDS for side in "xywh")


def preprocessing_fn(inputs: dict[str, Any]) -> dict[str, tf.Tensor]:
    """Decode pictures to [rows, 1600], 0 to 1; scale boxes to shares of the picture, and number the kinds."""
    pixels = tf.map_fn(_decoded, tf.reshape(inputs["image"], [-1]), fn_output_signature=tf.float32)
    outputs = {"pixels": tf.reshape(pixels, [-1, SIDE * SIDE]), LABEL: inputs[LABEL]}
    for name in BOXES:
        outputs[name] = tf.cast(inputs[name], tf.float32) / SIDE
    for name in KINDS:
        outputs[name] = tft.compute_and_apply_vocabulary(inputs[name], num_oov_buckets=1, vocab_filename=name)
    return outputs


def build_model(transform_output: tft.TFTransformOutput, hyperparameters: dict[str, Any]) -> keras.Model:
    """Build and compile a small network; hyperparameters: filters, hidden_units, dropout and learning_rate."""
    inputs = {"pixels": keras.Input((SIDE * SIDE,), name="pixels", dtype="float32")}
    inputs |= {name: keras.Input((1,), name=name, dtype="float32") for name in BOXES}
    inputs |= {name: keras.Input((1,), name=name, dtype="int64") for name in KINDS}
    filters = int(hyperparameters.get("filters", 8))
    picture = keras.layers.Reshape((SIDE, SIDE, 1), name="picture")(inputs["pixels"])
    picture = keras.layers.Conv2D(filters, 5, strides=2, activation="relu", name="strokes")(picture)
    picture = keras.layers.Conv2D(filters, 3, strides=2, activation="relu", name="shapes")(picture)
    picture = keras.layers.Dense(8, activation="relu", name="seen")(keras.layers.Flatten(name="flat")(picture))
    features = [picture, *(inputs[name] for name in BOXES)]
    for name in KINDS:
        size = transform_output.vocabulary_size_by_name(name) + 1
        features.append(keras.layers.CategoryEncoding(size, name=f"{name}_one_hot")(inputs[name]))
    units = int(hyperparameters.get("hidden_units", 64))
    hidden = keras.layers.Concatenate(name="features")(features)
    hidden = keras.layers.Dense(units, activation="relu", name="geometry")(hidden)
    hidden = keras.layers.Dropout(float(hyperparameters.get("dropout", 0.2)), name="dropout")(hidden)
    hidden = keras.layers.Dense(units, activation="relu", name="hidden")(hidden)
    model = keras.Model(inputs, keras.layers.Dense(CLASSES, activation="softmax", name=LABEL)(hidden))
    model.compile(
        optimizer=keras.optimizers.Adam(float(hyperparameters.get("learning_rate", 0.002))),
        loss="sparse_categorical_crossentropy",
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
        jit_compile=False,
    )
    return model


def _decoded(picture: tf.Tensor) -> tf.Tensor:
    """Return one picture as [SIDE, SIDE, 1], 0 to 1."""
    pixels = tf.io.decode_image(picture, channels=1, expand_animations=False)
    return tf.ensure_shape(tf.image.resize(tf.cast(pixels, tf.float32) / 255.0, [SIDE, SIDE]), [SIDE, SIDE, 1])
