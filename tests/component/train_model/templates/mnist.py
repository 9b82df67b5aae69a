"""A module in the form of TFX's mnist template: ten classes of 784 numbers a row, answered as logits."""

from typing import Any

import tensorflow as tf
import tensorflow_transform as tft
import tf_keras
from tfx_bsl.tfxio.dataset_options import TensorFlowDatasetOptions

IMAGE, LABEL = "image_floats", "image_class"


def preprocessing_fn(inputs: dict[str, Any]) -> dict[str, Any]:
    return {f"{IMAGE}_xf": tft.scale_by_min_max(inputs[IMAGE], -0.5, 0.5), f"{LABEL}_xf": inputs[LABEL]}


def run_fn(fn_args: Any) -> None:
    transform = tft.TFTransformOutput(fn_args.transform_output)

    def rows(files: list[str]) -> tf.data.Dataset:
        options = TensorFlowDatasetOptions(batch_size=40, label_key=f"{LABEL}_xf")
        return fn_args.data_accessor.tf_dataset_factory(files, options, transform.transformed_metadata.schema).repeat()

    with tf.distribute.MirroredStrategy().scope():
        model = tf_keras.Sequential(
            [
                tf_keras.layers.InputLayer(input_shape=(784,), name=f"{IMAGE}_xf"),
                tf_keras.layers.Dense(32, activation="relu"),
                tf_keras.layers.Dropout(0.1),
                tf_keras.layers.Dense(10),
            ]
        )
        model.compile(
            tf_keras.optimizers.RMSprop(0.002), tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        )
    model.fit(
        rows(fn_args.train_files),
        steps_per_epoch=fn_args.train_steps,
        validation_data=rows(fn_args.eval_files),
        validation_steps=fn_args.eval_steps,
        verbose=0,
    )
    model.transform = transform.transform_features_layer()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(examples: tf.Tensor) -> tf.Tensor:
        spec = transform.raw_feature_spec()
        del spec[LABEL]
        return model(model.transform(tf.io.parse_example(examples, spec)))

    tf.saved_model.save(model, fn_args.serving_model_dir, signatures={"serving_default": serve})
