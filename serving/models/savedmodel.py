"""Loads and runs a SavedModel as TensorFlow Serving does: a session over the graph, no Python objects of the model.

This is the only file of the room that imports TensorFlow. Closing a version gives its memory back.
"""

import ctypes
import gc
import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow.core.protobuf import config_pb2

from artifacts.model.features import Features, read_features
from core.errors import did_you_mean
from serving.bodies.columns import Column
from serving.errors import ModelError, RequestError, bad_request
from serving.signature import DEFAULT_SIGNATURE, Field, Signature, described, feature_fields

# Its loader announces its deprecation at every load; what replaces it keeps a graph of Python objects per version.
tf.get_logger().setLevel(logging.ERROR)

DENIED_OPS = frozenset({"EagerPyFunc", "PyFunc", "PyFuncStateless", "ReadFile", "WriteFile", "MatchingFiles"})
"""Operations that run code of the exporting process or touch any file: a model is a program, and ours needs none."""
_SHOWN = 80
"""Characters of a name that a message repeats."""
_INIT_SIGNATURE = "__saved_model_init_op"


class SavedModel:
    """One loaded version; `run` may be called from several threads."""

    def __init__(self, path: Path) -> None:
        """Load the SavedModel at a path; ModelError when it cannot be."""
        self.features: Features | None = read_features(path)
        graph = tf.Graph()
        config = tf.compat.v1.ConfigProto(
            intra_op_parallelism_threads=1, inter_op_parallelism_threads=1, device_count={"GPU": 0}
        )
        self._session = tf.compat.v1.Session(graph=graph, config=config)
        self._calls: dict[str, Callable[..., Any]] = {}
        try:
            with graph.as_default():
                meta_graph = tf.compat.v1.saved_model.load(self._session, [tf.saved_model.SERVING], str(path))
            _check_ops(meta_graph, path)
        except ModelError:
            self.close()
            raise
        except Exception as error:
            # TensorFlow raises nearly anything for a damaged file; all of it means that this version cannot be served.
            self.close()
            raise ModelError(f"{path}: TensorFlow cannot load it: {type(error).__name__}: {error}") from error
        self._definitions = {name: d for name, d in meta_graph.signature_def.items() if name != _INIT_SIGNATURE}
        self.signatures: Mapping[str, Signature] = {
            name: self._signature(name, d) for name, d in self._definitions.items()
        }
        self._lock = threading.Lock()

    def signature(self, name: str) -> Signature:
        """Return a signature by name; RequestError (400) lists those there are."""
        found = self.signatures.get(name)
        if found is None:
            raise bad_request(
                f'Serving signature name: "{name[:_SHOWN]}" not found in signature def{did_you_mean(name, self.signatures)}'
            )
        return found

    @property
    def rows(self) -> Signature | None:
        """What a raw row holds; None for a model that does not say its features."""
        if self.features is None:
            return None
        default = self.signatures.get(DEFAULT_SIGNATURE)
        takes_rows = default is not None and all(field.feature for field in default.inputs)
        return Signature("rows", default.inputs if default and takes_rows else feature_fields(self.features), ())

    def metadata(self) -> dict[str, Any]:
        """Return the signatures in the JSON form of TensorFlow Serving's metadata."""
        return {name: _message(definition) for name, definition in self._definitions.items()}

    def run(self, signature: Signature, columns: Mapping[str, Column]) -> dict[str, Column]:
        """Run a signature on a batch; RequestError (400) when TensorFlow refuses the input, (500) when the model fails."""
        call = self._calls.get(signature.name) or self._prepare(signature)
        try:
            values = call(*(columns[name] for name in signature.tensors))
        except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError, ValueError) as error:
            raise bad_request(f"the model refuses the input: {_first_line(error)}") from error
        except tf.errors.OpError as error:
            raise RequestError(500, "MODEL_FAILED", f"the model failed: {_first_line(error)}") from error
        return {field.name: np.asarray(value) for field, value in zip(signature.outputs, values, strict=True)}

    def close(self) -> None:
        """Give back what the version holds; call it when no request uses it any more."""
        self._session.close()
        self._calls.clear()
        del self._session
        # A graph's Python objects refer to each other, and malloc keeps what is freed in pieces: without these lines 120
        # versions of a tiny model that came and went left 22 MiB behind, with them nothing.
        gc.collect()
        with suppress(OSError, AttributeError):  # another C library than glibc has no such call
            ctypes.CDLL(None).malloc_trim(0)

    def _prepare(self, signature: Signature) -> Callable[..., Any]:
        with self._lock:
            if signature.name not in self._calls:
                definition = self._definitions[signature.name]
                options = config_pb2.CallableOptions()
                options.feed.extend(definition.inputs[name].name for name in signature.tensors)
                options.fetch.extend(definition.outputs[field.name].name for field in signature.outputs)
                # -1 computes in the calling thread. Handing one row to TensorFlow's pool and back takes ten times as
                # long as computing it (measured: 13 against 200 microseconds), and no public call sets it once for all.
                options.run_options.inter_op_thread_pool = -1
                self._calls[signature.name] = self._session._make_callable_from_options(options)
            return self._calls[signature.name]

    def _signature(self, name: str, definition: Any) -> Signature:
        raw = Signature(name, _fields(definition.inputs), _fields(definition.outputs), definition.method_name)
        return described(raw, self.features)


def serialize(rows: list[dict[str, list[Any]]]) -> Column:
    """Encode rows of int, float or bytes lists as tf.Example records, shape [rows]."""
    encoded = np.empty(len(rows), object)
    encoded[:] = [
        tf.train.Example(
            features=tf.train.Features(feature={name: _feature(v) for name, v in row.items()})
        ).SerializeToString()
        for row in rows
    ]
    return encoded


def _feature(values: list[Any]) -> Any:
    if values and isinstance(values[0], bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
    if values and isinstance(values[0], int):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def _fields(tensors: Any) -> tuple[Field, ...]:
    return tuple(Field(name, _dtype(name, info), _shape(info.tensor_shape)) for name, info in sorted(tensors.items()))


def _dtype(name: str, info: Any) -> str:
    if info.WhichOneof("encoding") != "name":
        raise ModelError(f"tensor {name!r}: wanted a dense tensor, got {info.WhichOneof('encoding')}")
    dtype = tf.as_dtype(info.dtype)
    return "string" if dtype == tf.string else str(np.dtype(dtype.as_numpy_dtype))


def _shape(shape: Any) -> tuple[int | None, ...] | None:
    return None if shape.unknown_rank else tuple(None if dim.size < 0 else int(dim.size) for dim in shape.dim)


def _check_ops(meta_graph: Any, path: Path) -> None:
    graph = meta_graph.graph_def
    ops = {node.op for node in graph.node} | {
        node.op for function in graph.library.function for node in function.node_def
    }
    if denied := sorted(ops & DENIED_OPS):
        raise ModelError(
            f"{path}: its graph holds {', '.join(denied)}, which reach outside of the model; export it without them"
        )


def _message(definition: Any) -> Any:
    return json_format.MessageToDict(definition, including_default_value_fields=True, preserving_proto_field_name=True)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:500]
