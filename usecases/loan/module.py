"""What the model of loan sees and how it is built: tf.Transform's `preprocessing_fn`, and `build_model`.

Race and sex are in the data to measure fairness by. The schema keeps them out of requests, and nothing here reads them.
"""

from typing import Any

import keras
import tensorflow as tf
import tensorflow_transform as tft

LABEL = "approved"
AMOUNTS = ("income", "coapplicant_income", "loan_amount", "appraised_value", "liquid_assets", "net_worth")
NUMBERS = ("housing_ratio", "obligations_ratio", "loan_to_price", "term_months", "credit_lines", "unemployment")
CODES = (
    "credit_reports",
    "mortgage_history",
    "consumer_history",
    "meets_guidelines",
    "bankruptcy",
    "unverifiable",
    "self_employed",
    "cosigned",
    "gift",
    "several_units",
    "property_kind",
)
FEATURES = (*AMOUNTS, *NUMBERS, *CODES)
LIMIT = 4.0
"""Numbers are kept within this many standard deviations."""


def preprocessing_fn(inputs: dict[str, Any]) -> dict[str, tf.Tensor]:
    """Transform all features to one vector of z-scores, [rows, 23]; 0, the mean, for what is missing."""
    columns = [tf.math.asinh(_dense(inputs[name])) for name in AMOUNTS]
    columns += [_dense(inputs[name]) for name in (*NUMBERS, *CODES)]
    # One analyzer for all columns: tf.Transform traces every analyzer several times.
    scores = tft.scale_to_z_score(tf.concat(columns, axis=1), elementwise=True)
    scores = tf.clip_by_value(tf.where(tf.math.is_finite(scores), scores, 0.0), -LIMIT, LIMIT)
    return {"features": scores, LABEL: inputs[LABEL]}


def build_model(transform_output: tft.TFTransformOutput, hyperparameters: dict[str, Any]) -> keras.Model:  # noqa: ARG001
    """Build and compile a small network; hyperparameters: hidden_units, l2 and learning_rate."""
    features = keras.Input((len(FEATURES),), name="features", dtype="float32")
    l2 = keras.regularizers.L2(float(hyperparameters.get("l2", 0.003)))
    units = int(hyperparameters.get("hidden_units", 8))
    hidden = keras.layers.Dense(units, activation="relu", kernel_regularizer=l2, name="hidden")(features)
    joined = keras.layers.Concatenate(name="wide_and_deep")([features, hidden])
    probability = keras.layers.Dense(1, activation="sigmoid", kernel_regularizer=l2, name="probability")(joined)
    model = keras.Model({"features": features}, probability)
    model.compile(
        optimizer=keras.optimizers.Adam(float(hyperparameters.get("learning_rate", 0.003))),
        loss="binary_crossentropy",
        metrics=[keras.metrics.AUC(name="auc")],
        jit_compile=False,
    )
    return model


def _dense(feature: Any) -> tf.Tensor:
    """Return a float column with NaN where a row has no value."""
    if isinstance(feature, tf.SparseTensor):
        feature = tf.SparseTensor(feature.indices, tf.cast(feature.values, tf.float32), feature.dense_shape)
        return tft.sparse_tensor_to_dense_with_shape(feature, [None, 1], default_value=float("nan"))
    return tf.cast(feature, tf.float32)
