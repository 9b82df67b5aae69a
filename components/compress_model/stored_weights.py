"""Reads the weights that a TFLite file stores, as the numbers that its arithmetic uses."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
_ROUNDING = 1.01
"""A stored number is at most a step from the weight: half of it, and more where zero must be stored exactly."""
_FLOAT16 = 2.0**-10


class Constant(NamedTuple):
    """A constant of a TFLite file."""

    values: NDArray[np.float32]
    """As numbers."""
    step: NDArray[np.float32]
    """How far apart two stored numbers are, in a shape that fits `values`."""
    stored: str


class Stored(NamedTuple):
    """A weight as the file has it."""

    values: NDArray[np.float32]
    stored: str
    """Its type there, such as int8; float32 for a weight that was not found, because it was left as it is, or folded
    into another one."""


def constants(interpreter: Any) -> list[Constant]:
    """Return the constants of a TFLite file that are numbers of fewer bits."""
    found = []
    for detail in interpreter.get_tensor_details():
        if detail["dtype"] not in (np.int8, np.float16) or detail["sparsity_parameters"]:
            continue
        try:
            raw = interpreter.get_tensor(detail["index"])
        except ValueError:
            continue  # not a constant
        if raw.ndim < 1 or raw.size < 2:
            continue
        if raw.dtype == np.float16:
            values = raw.astype(np.float32)
            found.append(Constant(values, np.abs(values) * _FLOAT16, "float16"))
            continue
        scales = np.asarray(detail["quantization_parameters"]["scales"], np.float32)
        zeros = np.asarray(detail["quantization_parameters"]["zero_points"], np.float32)
        if not scales.size:
            continue
        axis = int(detail["quantization_parameters"]["quantized_dimension"])
        shape = [-1 if dimension == axis else 1 for dimension in range(raw.ndim)] if scales.size > 1 else [1] * raw.ndim
        step = scales.reshape(shape)
        found.append(Constant((raw.astype(np.float32) - zeros.reshape(shape)) * step, step, "int8"))
    return found


def stored_weights(model: keras.Model, found: list[Constant]) -> list[Stored]:
    """Return each of the model's weights as the file stores it, in the order of `model.weights`.

    A constant belongs to the weight that it is within a step of, whatever the layout is.
    """
    return [_stored(weight.numpy(), found) for weight in model.weights]


def _stored(weight: Array, found: list[Constant]) -> Stored:
    best, least = Stored(weight, str(weight.dtype)), np.inf
    if weight.dtype.kind != "f" or weight.size < 2:
        return best
    for constant in found:
        for values, step in _layouts(constant, weight):
            difference = np.abs(values - weight)
            if (difference <= step * _ROUNDING + 1e-7).all() and difference.max() < least:
                best, least = Stored(np.ascontiguousarray(values, np.float32), constant.stored), difference.max()
    return best


def _layouts(constant: Constant, weight: Array) -> Iterator[tuple[Array, Array]]:
    """Yield a constant and its steps in each layout that has the weight's shape."""
    values, step = constant.values, np.broadcast_to(constant.step, constant.values.shape)
    if values.size != weight.size:
        return
    orders: list[tuple[int, ...]] = [tuple(range(values.ndim))]
    if values.ndim == 2:
        orders.append((1, 0))  # a dense layer's kernel
    if values.ndim == 4:
        orders += [(1, 2, 3, 0), (1, 2, 0, 3), (1, 2, 3, 0)]  # of a convolution, and by depth
    for order in dict.fromkeys(orders):
        laid, steps = values.transpose(order), step.transpose(order)
        if laid.shape == weight.shape or (laid.size == weight.size and order == orders[0]):
            yield laid.reshape(weight.shape), steps.reshape(weight.shape)
