"""The features and the model of spam: tf.Transform's `preprocessing_fn` makes indices of words."""

from typing import Any

import keras
import tensorflow as tf
import tensorflow_transform as tft

LABEL = "label"
WORDS = 2000
"""The most common words have an index each; all others share one."""
LONGEST = 60
"""Words of a message that are read; 99% of the messages have no more."""
UNKNOWN, NONE = WORDS, WORDS + 1
COUNTS = ("characters", "digits", "capitals")


def preprocessing_fn(inputs: dict[str, Any]) -> dict[str, tf.Tensor]:
    """Transform texts to `words`, indices of shape [rows, 60], and counts as z-scores of shape [rows, 1]."""
    text = tf.reshape(inputs["text"], [-1])
    words = tf.strings.split(tf.strings.regex_replace(tf.strings.lower(text), r"[^a-z£$'!]+|(!)", r" \1 ")).to_sparse()
    indices = tft.compute_and_apply_vocabulary(words, default_value=UNKNOWN, top_k=WORDS, vocab_filename="words")
    outputs = {"words": _padded(indices), LABEL: inputs[LABEL]}
    length = tf.cast(tf.strings.length(text, unit="UTF8_CHAR"), tf.float32)
    outputs["characters"] = tft.scale_to_z_score(length[:, tf.newaxis])
    outputs["digits"] = tft.scale_to_z_score(_share(text, "[^0-9]"))
    outputs["capitals"] = tft.scale_to_z_score(_share(text, "[^A-Z]"))
    return outputs


def build_model(transform_output: tft.TFTransformOutput, hyperparameters: dict[str, Any]) -> keras.Model:  # noqa: ARG001
    """Build and compile a network on a bag of words; hyperparameters: embedding, dropout and learning_rate."""
    inputs = {"words": keras.Input((LONGEST,), name="words", dtype="int64")}
    inputs |= {name: keras.Input((1,), name=name, dtype="float32") for name in COUNTS}
    width = int(hyperparameters.get("embedding", 16))
    is_word = keras.ops.cast(keras.ops.not_equal(inputs["words"], NONE), "float32")[..., None]
    embedded = keras.layers.Embedding(WORDS + 2, width, name="word_embeddings")(inputs["words"]) * is_word
    mean = keras.ops.sum(embedded, axis=1) / (keras.ops.sum(is_word, axis=1) + 1.0)
    highest = keras.ops.max(embedded, axis=1)
    features = keras.layers.Concatenate(name="features")([mean, highest, *(inputs[name] for name in COUNTS)])
    features = keras.layers.Dropout(float(hyperparameters.get("dropout", 0.3)), name="dropout")(features)
    hidden = keras.layers.Dense(16, activation="relu", name="hidden")(features)
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid", name="spam")(hidden))
    model.compile(
        optimizer=keras.optimizers.Adam(float(hyperparameters.get("learning_rate", 0.005))),
        loss="binary_crossentropy",
        metrics=[keras.metrics.AUC(name="auc")],
        jit_compile=False,
    )
    return model


def _padded(indices: tf.SparseTensor) -> tf.Tensor:
    """Return the first words of each row as [rows, LONGEST], padded with NONE."""
    rows = tf.sparse.to_dense(indices, default_value=NONE)[:, :LONGEST]
    rows = tf.pad(rows, [[0, 0], [0, LONGEST - tf.shape(rows)[1]]], constant_values=NONE)
    return tf.ensure_shape(rows, [None, LONGEST])


def _share(text: tf.Tensor, others: str) -> tf.Tensor:
    """Return the share of a text's characters that do not match `others`, of shape [rows, 1]."""
    left = tf.strings.length(tf.strings.regex_replace(text, others, ""))
    return (tf.cast(left, tf.float32) / (tf.cast(tf.strings.length(text), tf.float32) + 1.0))[:, tf.newaxis]
