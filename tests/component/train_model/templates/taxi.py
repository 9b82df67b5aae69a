"""A module in the form of TFX's taxi template: a wide and deep model of whether a passenger tips more than a fifth."""

from typing import Any

import tensorflow as tf
import tensorflow_transform as tft
import tf_keras
from tfx_bsl.tfxio.dataset_options import TensorFlowDatasetOptions

NUMBERS = ("fare", "trip_miles")
WORDS = ("payment_type", "company")
PLACES = ("pickup_latitude",)
CODES = {"trip_start_hour": 24}
LABEL = "tips"
WORDS_KEPT, OUT_OF_VOCABULARY, BUCKETS = 20, 3, 4


def _filled(column: Any) -> Any:
    """Make one dense value a row of what a row may lack."""
    if not isinstance(column, tf.SparseTensor):
        return column
    wide = tf.SparseTensor(column.indices, column.values, [column.dense_shape[0], 1])
    return tf.squeeze(tf.sparse.to_dense(wide, "" if column.dtype == tf.string else 0), axis=1)


def preprocessing_fn(inputs: dict[str, Any]) -> dict[str, Any]:
    made = {f"{name}_xf": tft.scale_to_z_score(_filled(inputs[name])) for name in NUMBERS}
    for name in WORDS:
        made[f"{name}_xf"] = tft.compute_and_apply_vocabulary(
            _filled(inputs[name]), top_k=WORDS_KEPT, num_oov_buckets=OUT_OF_VOCABULARY
        )
    made |= {f"{name}_xf": tft.bucketize(_filled(inputs[name]), BUCKETS) for name in PLACES}
    made |= {f"{name}_xf": _filled(inputs[name]) for name in CODES}
    made[f"{LABEL}_xf"] = tf.cast(_filled(inputs[LABEL]) > 0.2 * _filled(inputs["fare"]), tf.int64)
    return made


def _model() -> tf_keras.Model:
    sizes = dict.fromkeys(WORDS, WORDS_KEPT + OUT_OF_VOCABULARY) | dict.fromkeys(PLACES, BUCKETS) | CODES
    numbers = {f"{name}_xf": tf_keras.Input((1,), name=f"{name}_xf") for name in NUMBERS}
    codes = {f"{name}_xf": tf_keras.Input((1,), name=f"{name}_xf", dtype="int32") for name in sizes}
    deep = tf_keras.layers.concatenate(list(numbers.values()))
    for units in (16, 8):
        deep = tf_keras.layers.Dense(units, activation="relu")(deep)
    wide = [tf_keras.layers.CategoryEncoding(size)(codes[f"{name}_xf"]) for name, size in sizes.items()]
    output = tf_keras.layers.Dense(1, activation="sigmoid")(tf_keras.layers.concatenate([deep, *wide]))
    model = tf_keras.Model(numbers | codes, output)
    model.compile(tf_keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=["binary_accuracy"])
    return model


def run_fn(fn_args: Any) -> None:
    transform = tft.TFTransformOutput(fn_args.transform_output)

    def rows(files: list[str]) -> tf.data.Dataset:
        options = TensorFlowDatasetOptions(batch_size=64, label_key=f"{LABEL}_xf")
        return fn_args.data_accessor.tf_dataset_factory(files, options, transform.transformed_metadata.schema).repeat()

    with tf.distribute.MirroredStrategy().scope():
        model = _model()
    model.fit(
        rows(fn_args.train_files),
        steps_per_epoch=fn_args.train_steps,
        validation_data=rows(fn_args.eval_files),
        validation_steps=fn_args.eval_steps,
        verbose=0,
    )
    model.transform = transform.transform_features_layer()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        spec = transform.raw_feature_spec()
        del spec[LABEL]
        return {"outputs": model(model.transform(tf.io.parse_example(examples, spec)))}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def transformed(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return model.transform(tf.io.parse_example(examples, transform.raw_feature_spec()))

    tf.saved_model.save(
        model, fn_args.serving_model_dir, signatures={"serving_default": serve, "transform_features": transformed}
    )
