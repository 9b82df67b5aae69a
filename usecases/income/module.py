"""What the model of income sees and how it is built: tf.Transform's `preprocessing_fn`, and `build_model`.

Sex and race are in the data to measure fairness by. The schema keeps them out of requests, and nothing here reads them.
"""

from typing import Any

import keras
import tensorflow as tf
import tensorflow_transform as tft

LABEL = "income"
NUMBERS = ("age", "education_num", "hours_per_week")
AMOUNTS = ("capital_gain", "capital_loss")
CATEGORIES = ("workclass", "marital_status", "occupation", "relationship", "native_country")


def preprocessing_fn(inputs: dict[str, Any]) -> dict[str, tf.Tensor]:
    """Transform numbers to z-scores, amounts of money to those of their logarithms, and categories to indices."""
    outputs = {name: tft.scale_to_z_score(inputs[name]) for name in NUMBERS}
    for name in AMOUNTS:
        outputs[name] = tft.scale_to_z_score(tf.math.log1p(tf.cast(inputs[name], tf.float32)))
    for name in CATEGORIES:
        outputs[name] = tft.compute_and_apply_vocabulary(
            _dense(inputs[name]), num_oov_buckets=1, frequency_threshold=20, vocab_filename=name
        )
    outputs[LABEL] = inputs[LABEL]
    return outputs


def build_model(transform_output: tft.TFTransformOutput, hyperparameters: dict[str, Any]) -> keras.Model:
    """Build and compile a small network; hyperparameters: hidden_units, dropout and learning_rate."""
    sizes = {name: transform_output.vocabulary_size_by_name(name) + 1 for name in CATEGORIES}
    inputs = {name: keras.Input((1,), name=name, dtype="float32") for name in (*NUMBERS, *AMOUNTS)}
    inputs |= {name: keras.Input((1,), name=name, dtype="int64") for name in CATEGORIES}
    features = [inputs[name] for name in (*NUMBERS, *AMOUNTS)]
    for name, size in sizes.items():
        features.append(keras.layers.CategoryEncoding(size, name=f"{name}_one_hot")(inputs[name]))
    hidden = keras.layers.Concatenate(name="features")(features)
    hidden = keras.layers.Dense(int(hyperparameters.get("hidden_units", 64)), activation="relu", name="hidden")(hidden)
    hidden = keras.layers.Dropout(float(hyperparameters.get("dropout", 0.2)), name="dropout")(hidden)
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid", name="probability")(hidden))
    model.compile(
        optimizer=keras.optimizers.Adam(float(hyperparameters.get("learning_rate", 0.002))),
        loss="binary_crossentropy",
        metrics=[keras.metrics.AUC(name="auc")],
        jit_compile=False,
    )
    return model


def _dense(feature: Any) -> tf.Tensor:
    """Return a column of text with "" where a row has no value."""
    if isinstance(feature, tf.SparseTensor):
        return tft.sparse_tensor_to_dense_with_shape(feature, [None, 1], default_value="")
    return feature
