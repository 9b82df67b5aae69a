"""The module file that TFX's Transform and Trainer load: the use case's functions, wired as in TFX's templates."""

import importlib.util
from types import ModuleType
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft
from tfx.components.trainer.fn_args_utils import DataAccessor, FnArgs
from tfx_bsl.public import tfxio


def preprocessing_fn(inputs: dict[str, Any], custom_config: dict[str, Any]) -> dict[str, Any]:
    """Transform as the use case does; `custom_config` says where its module lies."""
    outputs: dict[str, Any] = _usecase(custom_config).preprocessing_fn(inputs)
    return outputs


def run_fn(fn_args: FnArgs) -> None:
    """Train on the materialized examples and export a model that takes serialized tf.Examples."""
    config: dict[str, Any] = fn_args.custom_config
    output = tft.TFTransformOutput(fn_args.transform_output)
    train = _dataset(fn_args.train_files, fn_args.data_accessor, output, config, shuffle=True)
    validation = _dataset(fn_args.eval_files, fn_args.data_accessor, output, config, shuffle=False)
    model = _usecase(config).build_model(output, config["hyperparameters"])
    model.fit(train, epochs=int(config["epochs"]), validation_data=validation, verbose=2)
    exported = _Exported(model, output, config["label"])
    signatures = {"serving_default": exported.serve, "transform_features": exported.transform_features}
    tf.saved_model.save(exported, fn_args.serving_model_dir, signatures=signatures)


def _usecase(config: dict[str, Any]) -> ModuleType:
    spec = importlib.util.spec_from_file_location("usecase", config["module"])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _dataset(
    files: list[str], accessor: DataAccessor, output: tft.TFTransformOutput, config: dict[str, Any], *, shuffle: bool
) -> tf.data.Dataset:
    options = tfxio.TensorFlowDatasetOptions(
        int(config["batch_size"]), num_epochs=1, shuffle=shuffle, shuffle_buffer_size=10_000, label_key=config["label"]
    )
    dataset = accessor.tf_dataset_factory(files, options, output.transformed_metadata.schema)
    return dataset.map(
        lambda features, label: ({name: _dense(value) for name, value in features.items()}, label)
    ).prefetch(tf.data.AUTOTUNE)


def _dense(value: Any) -> tf.Tensor:
    return tf.sparse.to_dense(value) if isinstance(value, tf.SparseTensor) else value


class _Exported(tf.Module):  # type: ignore[misc] # TensorFlow has no types
    def __init__(self, model: Any, output: tft.TFTransformOutput, label: str) -> None:
        super().__init__()
        self._model = model
        self._label = label
        self._layer = output.transform_features_layer()
        self._spec = {name: spec for name, spec in output.raw_feature_spec().items() if name != label}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])  # type: ignore[untyped-decorator]
    def serve(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"outputs": self._model(self._transformed(examples))}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])  # type: ignore[untyped-decorator]
    def transform_features(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return self._transformed(examples)

    def _transformed(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        features = self._layer(tf.io.parse_example(examples, self._spec))
        return {name: _dense(value) for name, value in features.items() if name != self._label}
