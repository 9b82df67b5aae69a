"""Writes into a SavedModel which raw features it takes, and real rows for a server's warm-up and explanations."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from artifacts.examples.batches import record_batches
from artifacts.examples.names import TRAIN, VALIDATION
from artifacts.explanations.background import write_background
from artifacts.model.features import Features
from artifacts.model.names import WARM_UP_REQUESTS, WARM_UP_ROWS
from artifacts.model.request import tensors
from artifacts.model.rows import Row, from_json, values, write_rows
from artifacts.model.sampled_rows import sample_rows

ROWS = 8
_READ_ROWS = 256
_SIGNATURE = "serving_default"


def examples_argument(saved_model: Path, features: Collection[str]) -> str:
    """Return an exported model's input of serialized tf.Examples: its only input, a string, not a feature; else "".

    For a module's `run_fn`, only the signature shows what the model takes.
    """
    from tensorflow.python.saved_model import loader_impl  # noqa: PLC0415 - it has no public name

    graph = loader_impl.parse_saved_model(str(saved_model)).meta_graphs[0]
    inputs = graph.signature_def[_SIGNATURE].inputs
    only = next(iter(inputs)) if len(inputs) == 1 else ""
    return only if only and only not in features and tf.as_dtype(inputs[only].dtype) == tf.string else ""


def write_served(saved_model: Path, features: Features, examples: Path | str, schema: schema_pb2.Schema) -> None:
    """Write the model's features, warm-up and background rows; its signature says whether it takes tf.Examples."""
    argument = examples_argument(saved_model, {feature.tensor for feature in features.features})
    features = replace(features, takes="examples" if argument else "features")
    features.write(saved_model)
    _write_warm_up(saved_model, features, argument, _rows(features, examples, schema))
    write_background(saved_model, features, examples, schema)


def _write_warm_up(saved_model: Path, features: Features, argument: str, rows: Sequence[Row]) -> None:
    """Write real rows of the validation split, in the formats of this project's server and of TensorFlow Serving."""
    if not rows:
        return
    write_rows(saved_model / WARM_UP_ROWS, rows)
    with tf.io.TFRecordWriter(str(saved_model / WARM_UP_REQUESTS)) as writer:
        for row in rows:
            request = predict_pb2.PredictRequest()
            request.model_spec.signature_name = _SIGNATURE
            for name, tensor in _request(features, argument, row).items():
                request.inputs[name].CopyFrom(tf.make_tensor_proto(tensor))
            log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
            writer.write(log.SerializeToString(deterministic=True))


def _rows(features: Features, examples: Path | str, schema: schema_pb2.Schema) -> Sequence[Row]:
    excluded = {feature.name for feature in schema.feature} - set(features.by_name)
    for split in (VALIDATION, TRAIN):
        for batch in record_batches(examples, split, schema, _READ_ROWS):
            sampled = sample_rows(batch, excluded, ROWS).rows
            if sampled:
                return sampled
    return ()


def _request(features: Features, argument: str, row: Row) -> dict[str, Any]:
    if features.takes == "examples":
        return {argument: tf.constant([_example(row)])}
    found: dict[str, Any] = {}
    for feature in features.features:
        value = from_json(row.get(feature.name))
        found |= tensors(feature, [[value] if feature.is_list and not isinstance(value, list | None) else value])
    return found


def _example(row: Row) -> bytes:
    example = tf.train.Example()
    for name, found in values(row).items():
        feature = example.features.feature[name]
        if isinstance(found[0], bytes):
            feature.bytes_list.value.extend(found)
        elif isinstance(found[0], int):
            feature.int64_list.value.extend(found)
        else:
            feature.float_list.value.extend(found)
    serialized: bytes = example.SerializeToString(deterministic=True)
    return serialized
