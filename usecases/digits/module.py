"""What the model of digits sees and how it is built: pictures are decoded in tf.Transform's `preprocessing_fn`.

So a request and a training row hold the same bytes, of a PNG, JPEG, GIF or BMP, and are decoded by the same graph.
"""

from typing import Any

import keras
import tensorflow as tf
import tensorflow_transform as tft

LABEL = "digit"
SIDE = 8
CLASSES = 10


def preprocessing_fn(inputs: dict[str, Any]) -> dict[str, tf.Tensor]:
    """Decode pictures of any size to gray ones of shape [rows, 64], 0 to 1, white being ink."""
    pixels = tf.map_fn(_decoded, tf.reshape(inputs["image"], [-1]), fn_output_signature=tf.float32)
    return {"pixels": tf.reshape(pixels, [-1, SIDE * SIDE]), LABEL: inputs[LABEL]}


def build_model(transform_output: tft.TFTransformOutput, hyperparameters: dict[str, Any]) -> keras.Model:  # noqa: ARG001
    """Build and compile a small convolutional network; hyperparameters: filters, dropout and learning_rate."""
    pixels = keras.Input((SIDE * SIDE,), name="pixels", dtype="float32")
    filters = int(hyperparameters.get("filters", 32))
    hidden = keras.layers.Reshape((SIDE, SIDE, 1), name="picture")(pixels)
    hidden = keras.layers.Conv2D(filters, 3, padding="same", activation="relu", name="strokes")(hidden)
    hidden = keras.layers.Conv2D(filters, 3, padding="same", activation="relu", name="shapes")(hidden)
    hidden = keras.layers.MaxPooling2D(name="pooled")(hidden)
    hidden = keras.layers.Flatten(name="flat")(hidden)
    hidden = keras.layers.Dropout(float(hyperparameters.get("dropout", 0.4)), name="dropout")(hidden)
    digit = keras.layers.Dense(CLASSES, activation="softmax", name=LABEL)(hidden)
    model = keras.Model({"pixels": pixels}, digit)
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
