"""Loads and runs a SavedModel as TensorFlow Serving does: in a session over the graph, without Python objects.

This is the only file of `serving` that imports TensorFlow. Closing a version frees its memory.
"""

import ctypes
import gc
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import config_pb2
from tensorflow.python.saved_model.loader_impl import SavedModelLoader

from artifacts.model import graph_ops
from artifacts.model.features import Features, read_features
from core.errors import did_you_mean
from serving.bodies.columns import Column
from serving.errors import ModelError, RequestError, bad_request
from serving.signature import DEFAULT_SIGNATURE, Field, Signature, described, feature_fields

# The loader warns of its deprecation at every load; its replacement keeps a graph of Python objects per version.
tf.get_logger().setLevel(logging.ERROR)

_SHOWN = 80
"""Longest name shown in a message, in characters."""


class SavedModel:
    """One loaded version; `run` may be called from several threads."""

    def __init__(self, path: Path) -> None:
        """Load the SavedModel at a path; ModelError when it cannot be."""
        self.path = path
        self.features: Features | None = read_features(path)
        graph = tf.Graph()
        config = tf.compat.v1.ConfigProto(
            intra_op_parallelism_threads=1, inter_op_parallelism_threads=1, device_count={"GPU": 0}
        )
        # Without functions to call, a row of `flight_delay` takes 0.23 instead of 0.30 ms (measured).
        config.graph_options.optimizer_options.do_function_inlining = True
        self._session: Any = None
        self._calls: dict[str, Callable[..., Any]] = {}
        self.beside: dict[str, Any] = {}
        """What is made of the model and lives as long, such as its explainer."""
        try:
            with graph.as_default():
                loader = SavedModelLoader(str(path))
                ops = graph_ops.check(loader.get_meta_graph_def_from_tags([tf.saved_model.SERVING]), path)
                if not graph_ops.may_branch(ops):
                    # Runs operations in an order that is found once: 0.47 instead of 0.59 ms of a row (measured).
                    config.experimental.executor_type = "SINGLE_THREADED_EXECUTOR"
                self._session = tf.compat.v1.Session(graph=graph, config=config)
                meta_graph = loader.load(self._session, [tf.saved_model.SERVING])
        except ModelError:
            self.close()
            raise
        except Exception as error:
            # TensorFlow raises nearly any exception for a damaged file.
            self.close()
            raise ModelError(f"{path}: TensorFlow cannot load it: {type(error).__name__}: {error}") from error
        self.definitions = {name: d for name, d in meta_graph.signature_def.items() if name != graph_ops.INIT_SIGNATURE}
        self.signatures: Mapping[str, Signature] = {
            name: self._signature(name, d) for name, d in self.definitions.items()
        }
        self._lock = threading.Lock()

    def signature(self, name: str) -> Signature:
        """Return a signature by name; RequestError (400) suggests a similar one."""
        found = self.signatures.get(name)
        if found is None:
            hint = did_you_mean(name, self.signatures)
            raise bad_request(f'Serving signature name: "{name[:_SHOWN]}" not found in signature def{hint}')
        return found

    def example_signature(self, asked: str, verb: str) -> Signature:
        """Find the signature for classify or regress: the one asked for, the one named as the verb, or the default.

        Raises RequestError (400) for one that does not take tf.Examples.
        """
        name = asked or (verb if verb in self.signatures else DEFAULT_SIGNATURE)
        signature = self.signature(name)
        if not signature.takes_examples:
            fitting = sorted(known.name for known in self.signatures.values() if known.takes_examples)
            raise bad_request(
                f"signature {name!r} does not take tf.Example records, which {verb} needs; "
                f"those that do: {', '.join(fitting) or 'none'}"
            )
        return signature

    @property
    def rows(self) -> Signature | None:
        """The fields of a raw row; None for a model without a feature file."""
        if self.features is None:
            return None
        default = self.signatures.get(DEFAULT_SIGNATURE)
        takes_rows = default is not None and all(field.feature for field in default.inputs)
        return Signature("rows", default.inputs if default and takes_rows else feature_fields(self.features), ())

    def metadata(self) -> dict[str, Any]:
        """Return the signatures in the JSON form of TensorFlow Serving's metadata."""
        return {name: _message(definition) for name, definition in self.definitions.items()}

    def run(self, signature: Signature, columns: Mapping[str, Column]) -> dict[str, Column]:
        """Run a signature on a batch; RequestError 400 if TensorFlow refuses the input, 500 if the model fails."""
        call = self._calls.get(signature.name) or self._prepare(signature)
        try:
            values = call(*map(columns.__getitem__, signature.tensors))
        except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError, ValueError) as error:
            raise bad_request(f"the model refuses the input: {_first_line(error)}") from error
        except tf.errors.OpError as error:
            raise RequestError(500, "MODEL_FAILED", f"the model failed: {_first_line(error)}{_hint(error)}") from error
        return {field.name: np.asarray(value) for field, value in zip(signature.outputs, values, strict=True)}

    def close(self) -> None:
        """Free the session and its memory; call it when no request uses the version."""
        self._calls.clear()
        self.beside.clear()
        if self._session is not None:
            self._session.close()
            self._session = None
        # A graph's Python objects refer to each other, and malloc keeps freed fragments: loading and closing a tiny
        # model 120 times leaked 22 MiB without these lines, and nothing with them.
        gc.collect()
        with suppress(OSError, AttributeError):  # only glibc has this function
            ctypes.CDLL(None).malloc_trim(0)

    def _prepare(self, signature: Signature) -> Callable[..., Any]:
        with self._lock:
            if signature.name not in self._calls:
                definition = self.definitions[signature.name]
                options = config_pb2.CallableOptions()
                options.feed.extend(definition.inputs[name].name for name in signature.tensors)
                options.fetch.extend(definition.outputs[field.name].name for field in signature.outputs)
                # -1 computes in the calling thread: one row takes 13 microseconds there and 200 through TensorFlow's
                # thread pool (measured). No public call sets this for the session.
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


def parsed(serialized: Sequence[bytes]) -> list[dict[str, list[Any]]]:
    """Decode tf.Example records to rows of int, float or bytes lists; RequestError (400) for anything else."""
    rows = []
    for at, record in enumerate(serialized):
        try:
            features = tf.train.Example.FromString(record).features.feature
        except DecodeError:
            raise bad_request(f"row {at}: wanted a serialized tf.Example, got something else") from None
        found = {
            name: list(getattr(one, one.WhichOneof("kind")).value)
            for name, one in features.items()
            if one.WhichOneof("kind")
        }
        rows.append({name: values for name, values in found.items() if values})
    return rows


def decoded_image(content: bytes) -> Column | None:
    """Decode a PNG, JPEG, GIF or BMP to [height, width, channels] of uint8; None for anything else."""
    try:
        return np.asarray(tf.io.decode_image(content, expand_animations=False).numpy())
    except tf.errors.OpError:
        return None


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


def _message(definition: Any) -> Any:
    return json_format.MessageToDict(definition, including_default_value_fields=True, preserving_proto_field_name=True)


def _hint(error: tf.errors.OpError) -> str:
    """Say how to export a Keras 3 model, whose variables TensorFlow writes twice and restores once."""
    if not (isinstance(error, tf.errors.FailedPreconditionError) and "Could not find variable" in error.message):
        return ""
    return (
        " The export does not restore it, as happens to a Keras 3 model that is saved itself: save a tf.Module that "
        "holds [weight.value for weight in model.variables], or use Keras 2 (TF_USE_LEGACY_KERAS=1)"
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:500]
