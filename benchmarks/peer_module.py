"""The module file that TFX's Transform and Trainer load: the use case's own functions, wired as TFX's templates do it."""

from typing import Any

import tensorflow as tf
import tensorflow_transform as tft
from tfx.components.trainer.fn_args_utils import DataAccessor, FnArgs
from tfx_bsl.public import tfxio

from usecases.flight_delay.module import LABEL, build_model, preprocessing_fn

__all__ = ["preprocessing_fn", "run_fn"]


def run_fn(fn_args: FnArgs) -> None:
    """Train on the materialized examples and export a model that takes serialized tf.Examples."""
    options: dict[str, Any] = fn_args.custom_config
    output = tft.TFTransformOutput(fn_args.transform_output)
    train = _dataset(fn_args.train_files, fn_args.data_accessor, output, options["batch_size"], training=True)
    validation = _dataset(fn_args.eval_files, fn_args.data_accessor, output, options["batch_size"], training=False)
    model = build_model(output, options["hyperparameters"])
    model.fit(train, epochs=options["epochs"], validation_data=validation, verbose=2)
    exported = _Exported(model, output)
    signatures = {"serving_default": exported.serve, "transform_features": exported.transform_features}
    tf.saved_model.save(exported, fn_args.serving_model_dir, signatures=signatures)


def _dataset(files: list[str], accessor: DataAccessor, output: tft.TFTransformOutput, batch_size: int, *, training: bool) -> tf.data.Dataset:
    options = tfxio.TensorFlowDatasetOptions(batch_size=batch_size, label_key=LABEL, num_epochs=1, shuffle=training, shuffle_buffer_size=10_000)
    dataset = accessor.tf_dataset_factory(files, options, output.transformed_metadata.schema)
    return dataset.map(lambda features, label: ({name: _dense(value) for name, value in features.items()}, label)).prefetch(tf.data.AUTOTUNE)


def _dense(value: Any) -> tf.Tensor:
    return tf.sparse.to_dense(value) if isinstance(value, tf.SparseTensor) else value


class _Exported(tf.Module):  # type: ignore[misc] # TensorFlow has no types
    def __init__(self, model: Any, output: tft.TFTransformOutput) -> None:
        super().__init__()
        self._model = model
        self._output = output
        self._layer = output.transform_features_layer()
        self._spec = {name: spec for name, spec in output.raw_feature_spec().items() if name != LABEL}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])  # type: ignore[untyped-decorator]
    def serve(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"outputs": self._model(self._transformed(examples))}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])  # type: ignore[untyped-decorator]
    def transform_features(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return self._transformed(examples)

    def _transformed(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        features = self._layer(tf.io.parse_example(examples, self._spec))
        return {name: _dense(value) for name, value in features.items() if name != LABEL}
