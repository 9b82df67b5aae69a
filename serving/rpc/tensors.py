"""Turns the tensors of a gRPC request into a model's inputs, and its outputs into tensors."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from core.errors import did_you_mean
from serving.bodies.columns import MISSING, Column, field_tensors, in_column
from serving.bodies.description import printable
from serving.bodies.requests import Feeds, counted
from serving.errors import bad_request, too_large
from serving.signature import Field, Signature


def feeds(inputs: Mapping[str, Any], signature: Signature, max_rows: int) -> Feeds:
    """Convert TensorProtos by the names of a signature's inputs; RequestError (400, 413) names what does not fit.

    A signature's own tensors, as `GetModelMetadata` names them, are taken as well as the features behind them.
    """
    given = {name: array(name, tensor) for name, tensor in inputs.items()}
    if given.keys() != signature.fields.keys() and given.keys() == set(signature.tensors):
        _same_rows(given, max_rows)
        return Feeds(given, None, {}, {})
    unknown = sorted(given.keys() - signature.fields.keys())
    if unknown:
        known = did_you_mean(unknown[0], signature.fields)
        raise bad_request(f"inputs: unknown input {printable(unknown[0])}{known}")
    if absent := sorted(signature.required - given.keys()):
        raise bad_request(f"inputs: missing input {', '.join(map(repr, absent[:10]))}")
    columns: dict[str, Column] = {}
    rows = _same_rows({name: array for name, array in given.items() if signature.fields[name].shape != ()}, max_rows)
    for field in signature.inputs:
        if field.name in given:
            columns |= _tensors(field, given[field.name])
        else:
            columns |= field_tensors(field, [MISSING] * (rows or 0), in_column(field.name))
    return counted(columns, rows, signature)


def proto(values: Column) -> Any:
    """Convert one output to a TensorProto."""
    return tf.make_tensor_proto(values)


def array(name: str, tensor: Any) -> Column:
    """Convert one TensorProto; its shape is checked first, because a few bytes may ask for any size."""
    size = int(np.prod([max(dim.size, 0) for dim in tensor.tensor_shape.dim], dtype=object))
    if size > max(tensor.ByteSize(), 1) * 8:
        raise bad_request(f"inputs.{printable(name)[1:-1]}: wanted as many values as the shape says, {size}")
    try:
        array: Column = tf.make_ndarray(tensor)
    except (TypeError, ValueError) as error:
        raise bad_request(f"inputs.{printable(name)[1:-1]}: wanted a tensor, got {str(error)[:200]}") from None
    return array


def _same_rows(given: Mapping[str, Column], max_rows: int) -> int | None:
    """Return how many rows all inputs have."""
    rows: int | None = None
    for name, array in given.items():
        if array.ndim == 0 or len(array) == 0:
            raise bad_request(f"inputs.{name}: wanted at least one row, got the shape {list(array.shape)}")
        if len(array) > max_rows:
            raise too_large(f"inputs.{name}: wanted at most {max_rows} rows, got {len(array)}; send several requests")
        if rows not in (None, len(array)):
            raise bad_request(f"inputs.{name}: wanted {rows} rows as in the inputs before it, got {len(array)}")
        rows = len(array)
    return rows


def _tensors(field: Field, array: Column) -> dict[str, Column]:
    """Check one input, and add the count that the model wants beside it."""
    got = "string" if array.dtype.kind == "O" else str(array.dtype)
    if got != field.dtype:
        raise bad_request(f"inputs.{field.name}: wanted {field.dtype}, got {got}")
    if field.is_scalar and array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if not _fits(field, array):
        wanted = "any shape" if field.shape is None else [-1 if size is None else size for size in field.shape]
        raise bad_request(f"inputs.{field.name}: wanted the shape {wanted}, got {list(array.shape)}")
    feature = field.feature
    if feature is None:
        return {field.name: array}
    counts = np.full(len(array), array.shape[1] if feature.is_list else 1, np.int64)
    return {feature.tensor: array} | ({feature.count: counts} if feature.count else {})


def _fits(field: Field, array: Column) -> bool:
    if field.shape is None:
        return True
    sizes = zip(field.shape, array.shape, strict=False)
    return array.ndim == len(field.shape) and all(wanted in (None, got) for wanted, got in sizes)
