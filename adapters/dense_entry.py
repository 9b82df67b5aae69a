"""Enters the graph of tf.Transform behind the operations that make sparse columns dense.

A request has a dense column of values, and says which rows have one. To make a sparse column of it, as tf.Transform
wants, and of that a dense one takes ten operations a feature, and a request of few rows spends its time on their
number. Read from tensorflow-transform 1.16 (`saved/saved_transform_io_v2.py`, `mappers.py`).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from adapters.tf_cut import READS, Cut
from adapters.tft.layer import Layer


class _Place(NamedTuple):
    """Where a sparse column of one value a row is made dense."""

    feature: str
    default: Any
    """What stands in rows without a value."""
    column: tf.Tensor
    """The result, [rows, 1]."""


class DenseEntry:
    """A transform as a function of dense values for some features, and of tf.Transform's columns for the others."""

    def __init__(self, layer: Layer, given: Collection[str], places: Sequence[_Place]) -> None:
        """Cut the graph; `given` are all features that a request has."""
        self.features = frozenset(place.feature for place in places)
        """Those of which it takes dense values."""
        self._places = places
        self._fed = [name for name in layer.inputs if name in given and name not in self.features]
        feeds = [*_parts(layer.inputs[name] for name in self._fed), *(place.column for place in places)]
        outputs = _outputs(layer, given)
        parts = tf.nest.flatten(outputs, expand_composites=True)
        self._call = Cut.of(layer.graph, parts, feeds=feeds).function(outputs, layer.graph)
        self._shapes = {name: layer.outputs[name].shape for name in outputs}

    @classmethod
    def of(cls, transform: Any, given: Collection[str], features: Collection[str]) -> "DenseEntry | None":
        """Find such an entry for all or some of the features; None where there is none.

        A feature has one if every output that needs it has it made dense, [rows, 1], and nothing else.
        """
        if not isinstance(transform, Layer) or transform.is_old or not set(given) <= set(transform.inputs):
            return None
        places = _places(transform, features)
        needed = _needed(_outputs(transform, given), places)
        otherwise = {name for name in features if needed & _names(transform.inputs[name])}
        places = [place for place in places if place.feature not in otherwise]
        needed = _needed(_outputs(transform, given), places)
        unknown = set().union(*(_names(one) for name, one in transform.inputs.items() if name not in given))
        return cls(transform, given, places) if places and not needed & unknown else None

    def __call__(self, raw: Mapping[str, Any], values: Mapping[str, Any], counts: Mapping[str, Any]) -> dict[str, Any]:
        """Transform columns, and dense values, [rows], of the rows whose count is 1."""
        found: dict[str, Any] = self._call(*_parts(raw[name] for name in self._fed), *self._filled(values, counts))
        for name, shape in self._shapes.items():
            if isinstance(found[name], tf.Tensor):  # cutting a graph loses shapes
                found[name].set_shape(shape)
        return found

    def _filled(self, values: Mapping[str, Any], counts: Mapping[str, Any]) -> list[tf.Tensor]:
        """Return the dense columns, all of one type and default at once."""
        groups: dict[Any, list[int]] = {}
        for at, place in enumerate(self._places):
            groups.setdefault((place.column.dtype, repr(place.default)), []).append(at)
        filled: dict[int, tf.Tensor] = {}
        for group in groups.values():
            names = [self._places[at].feature for at in group]
            known = tf.stack([counts[name] for name in names]) > 0
            given = tf.stack([values[name] for name in names])
            # Nothing is spread here, which takes longer, and would take one value for that of all rows.
            default = tf.fill(tf.shape(given), tf.constant(self._places[group[0]].default, given.dtype))
            rows = tf.raw_ops.Select(condition=known, x=given, y=default)
            filled |= zip(group, tf.unstack(tf.expand_dims(rows, 2), len(names)), strict=True)
        return [filled[at] for at in range(len(self._places))]


def _places(layer: Layer, features: Collection[str]) -> list[_Place]:
    """Find where the graph makes columns of the features dense, each [rows, 1]."""
    columns = {name: layer.inputs[name] for name in features}
    feature_of = {one.indices.name: name for name, one in columns.items() if isinstance(one, tf.SparseTensor)}
    found = []
    for op in layer.graph.get_operations():
        if op.type != "SparseToDense":
            continue
        indices, shape, values = map(_origin, op.inputs[:3])
        feature, default = feature_of.get(indices.name), tf.get_static_value(op.inputs[3])
        if feature is None or default is None or values.name != columns[feature].values.name:
            continue
        if _is_one_column(shape, columns[feature].dense_shape.name):
            found.append(_Place(feature, default, op.outputs[0]))
    return found


def _is_one_column(shape: tf.Tensor, given: str) -> bool:
    """Whether a shape is [rows, 1], or that of the sparse column, which is the same."""
    if shape.name == given:
        return True
    if shape.op.type != "Pack" or len(shape.op.inputs) != 2 or tf.get_static_value(shape.op.inputs[1]) != 1:
        return False
    rows = _origin(shape.op.inputs[0])
    if rows.op.type != "StridedSlice" or _origin(rows.op.inputs[0]).name != given:
        return False
    bounds = [tf.get_static_value(bound) for bound in rows.op.inputs[1:]]
    masks = {mask: rows.op.get_attr(f"{mask}_mask") for mask in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")}
    is_plain = [bound is not None and bound.tolist() for bound in bounds] == [[0], [1], [1]]
    return is_plain and masks == {"begin": 0, "end": 0, "ellipsis": 0, "new_axis": 0, "shrink_axis": 1}


def _outputs(layer: Layer, given: Collection[str]) -> dict[str, Any]:
    """Return the outputs that the given features suffice for, as tf.Transform chooses them."""
    lacking = set().union(*(_names(one) for name, one in layer.inputs.items() if name not in given))
    return {
        name: tf.nest.map_structure(_unwaited, output, expand_composites=True)
        for name, output in layer.outputs.items()
        if not lacking & _reached(_parts([output]), frozenset(), waits=False)
    }


def _unwaited(output: tf.Tensor) -> tf.Tensor:
    """Return an output without waiting for other outputs' tables to be read, as TensorFlow makes all outputs do."""
    if output.op.type != "Identity" or not all(map(_only_waits_for_reads, output.op.control_inputs)):
        return output
    return output.op.inputs[0]


def _only_waits_for_reads(op: tf.Operation) -> bool:
    return op.type == "NoOp" and {one.type for one in op.control_inputs} <= READS


def _needed(outputs: Mapping[str, Any], places: Iterable[_Place]) -> set[str]:
    """Return the names of the graph's inputs that outputs need besides dense columns."""
    return _reached(_parts(outputs.values()), frozenset(place.column.name for place in places), waits=True)


def _reached(tensors: Iterable[tf.Tensor], ends: frozenset[str], *, waits: bool) -> set[str]:
    """Return the names of all inputs that tensors are made of, or `waits` for; not those behind `ends`."""
    found: set[str] = set()
    seen: set[str] = set()
    left: list[Any] = list(tensors)
    while left:
        tensor = left.pop()
        op = tensor.op if isinstance(tensor, tf.Tensor) else tensor
        if op.type == "Placeholder":
            found.add(op.outputs[0].name)
        if op.name in seen or (isinstance(tensor, tf.Tensor) and tensor.name in ends):
            continue
        seen.add(op.name)
        left += [*op.inputs, *(op.control_inputs if waits else ())]
    return found


def _origin(tensor: tf.Tensor) -> tf.Tensor:
    while tensor.op.type == "Identity" and not tensor.op.control_inputs:
        tensor = tensor.op.inputs[0]
    return tensor


def _parts(tensors: Iterable[Any]) -> list[tf.Tensor]:
    found: list[tf.Tensor] = tf.nest.flatten(list(tensors), expand_composites=True)
    return found


def _names(tensor: Any) -> set[str]:
    return {part.name for part in _parts([tensor])}
