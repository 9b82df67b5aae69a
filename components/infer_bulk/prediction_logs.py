"""Encodes predictions as PredictionLog records, as TFX's BulkInferrer writes them for the signature of a Predict call.

The request holds the row as a serialized tf.Example, whatever tensors the signature itself takes, because that is where
readers of TFX's inference results find it. The bytes are put together here, not by protobuf: a message per row takes
longer than the model.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import model_pb2, predict_pb2, prediction_log_pb2

from artifacts.examples.encoder import varint

EXAMPLES = "examples"
"""Name of the request's input where the signature takes no serialized tf.Examples itself."""
_KEY, _VALUE = 1, 2
"""Field numbers of a map's entries."""


class Answered(NamedTuple):
    """The version and the signature that predicted."""

    model: str
    version: int
    signature: str
    input_name: str = EXAMPLES


class LogEncoder:
    """Encodes the rows of one model version and signature."""

    def __init__(self, answered: Answered) -> None:
        spec = model_pb2.ModelSpec(name=answered.model, signature_name=answered.signature)
        spec.version.value = answered.version
        content = spec.SerializeToString(deterministic=True)
        request, response = predict_pb2.PredictRequest, predict_pb2.PredictResponse
        self._request_spec = _field(_number(request, "model_spec"), content)
        self._response_spec = _field(_number(response, "model_spec"), content)
        self._inputs = _number(request, "inputs")
        self._outputs = _number(response, "outputs")
        self._log = _number(prediction_log_pb2.PredictionLog, "predict_log")
        self._key = _field(_KEY, answered.input_name.encode())
        self._tensor = _tensor(tf.string.as_datatype_enum, (1,)).SerializeToString(deterministic=True)
        self._string_val = _number(tensor_pb2.TensorProto, "string_val")

    def __call__(self, records: Sequence[bytes], outputs: Mapping[str, Any]) -> list[bytes]:
        """Encode rows, given as serialized tf.Examples, with their outputs, each [rows] or [rows, ...]."""
        responses = self._responses(len(records), outputs)
        logs = []
        for record, response in zip(records, responses, strict=True):
            tensor = self._tensor + _field(self._string_val, record)
            inputs = _field(self._inputs, self._key + _field(_VALUE, tensor))
            content = _field(1, self._request_spec + inputs) + response
            logs.append(_field(self._log, content))
        return logs

    def _responses(self, rows: int, outputs: Mapping[str, Any]) -> list[bytes]:
        """Encode the response of each row, as the field of PredictLog."""
        entries = [b""] * rows
        for name in sorted(outputs):
            key = _field(_KEY, name.encode())
            tensors = _tensors(outputs[name])
            entries = [
                before + _field(self._outputs, key + _field(_VALUE, tensor))
                for before, tensor in zip(entries, tensors, strict=True)
            ]
        return [_field(2, entry + self._response_spec) for entry in entries]


def _tensors(values: Any) -> list[bytes]:
    """Encode an output's rows as TensorProtos of shape [1, ...]."""
    shape = (1, *values.shape[1:])
    if values.dtype.kind in "OSU":
        messages = []
        for row in values:
            message = _tensor(tf.string.as_datatype_enum, shape)
            message.string_val.extend(tf.compat.as_bytes(value) for value in np.ravel(row))
            messages.append(message.SerializeToString(deterministic=True))
        return messages
    head = _tensor(tf.as_dtype(values.dtype).as_datatype_enum, shape).SerializeToString(deterministic=True)
    content = np.ascontiguousarray(values).tobytes()
    size = len(content) // len(values) if len(values) else 0
    head += _header(_number(tensor_pb2.TensorProto, "tensor_content"), size)
    return [head + content[start : start + size] for start in range(0, len(content), size)] if size else []


def _tensor(dtype: int, shape: Sequence[int]) -> Any:
    message = tensor_pb2.TensorProto(dtype=dtype)
    for size in shape:
        message.tensor_shape.dim.add(size=size)
    return message


def _number(message: Any, field: str) -> int:
    return int(message.DESCRIPTOR.fields_by_name[field].number)


def _header(number: int, size: int) -> bytes:
    return varint(number << 3 | 2) + varint(size)


def _field(number: int, content: bytes) -> bytes:
    return _header(number, len(content)) + content
