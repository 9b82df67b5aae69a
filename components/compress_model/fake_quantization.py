"""Quantization-aware training: layers that compute with the numbers that int8 can store.

Weights get one range a tensor, symmetric so that 0 stays 0; ranges per channel do not convert for dense layers. The
ranges of activations are those of calibration rows, measured again before each epoch, and constant in between.
"""

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from core.errors import TrainingError

BITS = 8
_BOUNDED = ("sigmoid", "softmax", "tanh")
_MIN_WEIGHTS = 1024
"""Layers of fewer weights stay floats, as the converter leaves them, so that predictions keep their steps."""
_LAYERS = (keras.layers.Dense, keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)


class Range:
    """The range of one tensor: measured on calibration rows, then fixed."""

    def __init__(self) -> None:
        self._low, self._high = tf.Variable(0.0, trainable=False), tf.Variable(0.0, trainable=False)
        self._constant: tuple[float, float] | None = None
        self.is_measured = False
        self._seen: list[float] = []

    def __call__(self, values: Any) -> Any:
        """Round a tensor to the numbers of this range; while ranges are measured, return it as it is."""
        if self.is_measured:
            self._seen += [float(tf.reduce_min(values)), float(tf.reduce_max(values))]
            return values
        if self._constant is not None:
            low, high = self._constant
            return tf.quantization.fake_quant_with_min_max_args(values, low, high, BITS)
        return tf.quantization.fake_quant_with_min_max_vars(values, self._low, self._high, BITS)

    def measured(self) -> None:
        """Take the range of what was seen; 0 is always in it."""
        low, high = min(0.0, *self._seen), max(0.0, *self._seen)
        high = high if high > low else low + 1.0
        self._low.assign(low)
        self._high.assign(high)
        self._seen, self.is_measured = [], False

    def fix(self) -> None:
        """Make the range a constant, as the converter wants it."""
        self._constant = float(self._low), float(self._high)


class AwareModel:
    """A model whose layers compute with quantized weights and activations; made of the model itself, in place."""

    def __init__(self, model: keras.Model) -> None:
        self._model = model
        self._ranges: list[Range] = []
        self._weights: list[Callable[[], Any]] = []
        self._highest: dict[str, float] = {}
        self._is_fixed = False
        self._is_measured = False
        for layer in model._flatten_layers(include_self=False, recursive=True):
            name = "kernel" if isinstance(layer, _LAYERS) else "embeddings"
            is_known = isinstance(layer, (*_LAYERS, keras.layers.Embedding))
            if is_known and np.prod(getattr(layer, name).shape) >= _MIN_WEIGHTS:
                self._replace(layer, name)
        if not self._weights:
            raise TrainingError(
                f"compress_model: qat: wanted a dense layer, convolution or embedding of {_MIN_WEIGHTS} weights or "
                "more, got none; leave out the variants with qat"
            )

    def measure(self, rows: Mapping[str, Any]) -> None:
        """Measure the ranges of activations on rows of transformed features."""
        self._is_measured = True
        for one in self._ranges:
            one.is_measured = True
        self._model({name: tf.constant(values) for name, values in rows.items()}, training=False)
        for one in self._ranges:
            one.measured()
        self._is_measured = False

    def fix(self) -> None:
        """Make all ranges constants, for the export; those of weights are the ones of now."""
        self._highest = {
            one.path: float(np.abs(one.numpy()).max()) or 1.0 for one in (read() for read in self._weights)
        }
        self._is_fixed = True
        for one in self._ranges:
            one.fix()

    def _replace(self, layer: Any, weight: str) -> None:
        """Give a layer a class of its own that quantizes its weight and, but for a table, its inputs and outputs.

        The scores before a sigmoid or softmax are quantized, not the probabilities behind it.
        """
        plain, owner = type(layer), self
        read: Callable[[Any], Any] = getattr(plain, weight).fget
        self._weights.append(lambda: read(layer))
        members: dict[str, Any] = {weight: property(lambda self: owner._weight(read(self)))}
        if weight == "kernel":
            before, after, activate = Range(), Range(), layer.activation
            self._ranges += [before, after]
            members["call"] = lambda self, inputs, *given, **named: plain.call(self, before(inputs), *given, **named)
            is_bounded = getattr(activate, "__name__", "") in _BOUNDED
            activation = (lambda values: activate(after(values))) if is_bounded else lambda v: after(activate(v))
            object.__setattr__(layer, "activation", activation)
        object.__setattr__(layer, "__class__", type(f"Quantized{plain.__name__}", (plain,), members))

    def _weight(self, weight: Any) -> Any:
        """Round a weight to the numbers of its range."""
        if self._is_measured:
            return weight
        values = tf.convert_to_tensor(weight)
        if self._is_fixed:
            high = self._highest[weight.path]
            return tf.quantization.fake_quant_with_min_max_args(values, -high, high, BITS, narrow_range=True)
        high = tf.maximum(tf.reduce_max(tf.abs(values)), 1e-8)
        return tf.quantization.fake_quant_with_min_max_vars(values, -high, high, BITS, narrow_range=True)
