"""A model's inputs and outputs, without TensorFlow: the signatures of a SavedModel and the features behind them."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from artifacts.model.features import Feature, Features

if TYPE_CHECKING:
    from serving.typed_rows import RowParser

DEFAULT_SIGNATURE = "serving_default"
EXPLAIN_SIGNATURE = "explain"
"""A model's own way to explain: takes what `serving_default` takes, and returns `attributions`, [rows, features] in the
order of features.json, and `base`, [rows]; both may have the model's outputs as a last dimension."""
EXAMPLE_INPUTS = frozenset({"examples", "inputs", "input_example_tensor", "serialized_tf_examples"})
"""Names that TFX, tf.estimator and their examples give the one input of serialized tf.Examples."""

EXACT_INTEGERS = {"float16": 2.0**11, "float32": 2.0**24, "float64": 2.0**53}
"""Up to here, a type of floating-point numbers holds every integer."""

Shape = tuple[int | None, ...] | None
"""None for a dimension or a rank that is only known at run time."""


@dataclass(frozen=True)
class Field:
    """One input or output of a signature; `dtype` is numpy's name, or `string`; `shape` includes the batch."""

    name: str
    dtype: str
    shape: Shape
    feature: Feature | None = None
    """The raw feature behind an input, in a model with a feature file: then `name` is the feature's own name."""

    @property
    def required(self) -> bool:
        """Whether it must be in every row."""
        return self.feature is None or self.feature.required

    @property
    def is_list(self) -> bool:
        """Whether every row has a list of its own length."""
        return self.feature is not None and self.feature.is_list

    @property
    def is_scalar(self) -> bool:
        """Whether every row has one value."""
        return self.shape is not None and len(self.shape) == 1 and not self.is_list

    @property
    def is_scalar_float(self) -> bool:
        """Whether every row has one number that may have a point."""
        return self.is_scalar and self.dtype.startswith("float")

    @cached_property
    def values(self) -> frozenset[bytes]:
        """The categories that the schema lists; empty in a model without a feature file."""
        return frozenset(value.encode() for value in self.feature.values) if self.feature else frozenset()

    @cached_property
    def encode(self) -> Callable[[str], bytes]:
        """Encode a text; KeyError for one that the schema does not list, if it lists any."""
        known = {value: value.encode() for value in self.feature.values} if self.feature else {}
        return known.__getitem__ if known else str.encode


class Scalars(NamedTuple):
    """The inputs of one dtype that have one value per row."""

    fields: tuple[Field, ...]
    positions: tuple[int, ...]
    """Where they are among all inputs."""
    names: tuple[str, ...]
    """The names that a client uses."""
    tensors: tuple[str, ...]
    """The tensors that the values are fed as."""
    counts: tuple[str, ...]
    """The tensors that say which rows have a value; "" for an input without one."""
    uncounted: tuple[Field, ...]
    """Those that a row may lack, and that have no such tensor but a value that says so."""

    @classmethod
    def of(cls, placed: Mapping[int, Field]) -> "Scalars":
        """Return what requests need to know of some inputs, by their positions."""
        fields = tuple(placed.values())
        return cls(
            fields,
            tuple(placed),
            tuple(field.name for field in fields),
            tuple(field.feature.tensor if field.feature else field.name for field in fields),
            tuple(field.feature.count if field.feature else "" for field in fields),
            tuple(field for field in fields if field.feature and not field.required and not field.feature.count),
        )


@dataclass(frozen=True)
class Signature:
    """One callable of a SavedModel."""

    name: str
    inputs: tuple[Field, ...]
    """The names that a client uses."""
    outputs: tuple[Field, ...]
    method: str = ""
    tensors: tuple[str, ...] = ()
    """Names of the tensors that are fed, in call order: the inputs themselves, and the counts of features."""
    takes_examples: bool = False
    """Whether its only input is serialized tf.Example records."""

    @cached_property
    def fields(self) -> Mapping[str, Field]:
        """The inputs by name."""
        return {field.name: field for field in self.inputs}

    @cached_property
    def required(self) -> frozenset[str]:
        """Names of the inputs that must be in every row."""
        return frozenset(field.name for field in self.inputs if field.required)

    @cached_property
    def is_batched(self) -> bool:
        """Whether every input has a batch dimension, and there is one."""
        return bool(self.inputs) and all(field.shape != () for field in self.inputs)

    @cached_property
    def values_of(self) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
        """Give the values of a row in the order of the inputs; KeyError for a row that lacks one."""
        if len(self.inputs) == 1:
            return lambda row: (row[self.inputs[0].name],)
        return itemgetter(*self.fields)

    @cached_property
    def row_parser(self) -> "RowParser | None":
        """Parses rows; None where a row may have something else than one value for each of several inputs.

        None, too, where msgspec is not installed: whoever serves has it, other steps read signatures without it.
        """
        try:
            from serving.typed_rows import RowParser, Slot  # noqa: PLC0415
        except ModuleNotFoundError:
            return None
        slots = [Slot(f.name, f.dtype, f.required, EXACT_INTEGERS.get(f.dtype, math.inf)) for f in self.inputs]
        is_plain = len(slots) > 1 and not self.others and RowParser.takes(slots)
        return RowParser(self.name, slots) if is_plain else None

    @cached_property
    def listed(self) -> tuple[Field, ...]:
        """The inputs of which the schema lists categories."""
        return tuple(field for field in self.inputs if field.values)

    @cached_property
    def listed_of_many(self) -> tuple[Field, ...]:
        """Those of them that have several values per row."""
        return tuple(field for field in self.listed if not field.is_scalar)

    @cached_property
    def absent(self) -> Mapping[str, float | None]:
        """The inputs that a row may lack, and what says so: NaN among numbers with a point, as JSON has no NaN."""
        optional = (field for field in self.inputs if not field.required)
        return {field.name: math.nan if field.is_scalar_float else None for field in optional}

    @cached_property
    def scalars(self) -> Mapping[str, Scalars]:
        """The inputs that have one value per row, by dtype."""
        found: dict[str, dict[int, Field]] = {}
        for at, field in enumerate(self.inputs):
            if field.is_scalar:
                found.setdefault(field.dtype, {})[at] = field
        return {dtype: Scalars.of(placed) for dtype, placed in found.items()}

    @cached_property
    def others(self) -> tuple[Field, ...]:
        """The inputs that have several values per row, or a number that only a row tells."""
        return tuple(field for field in self.inputs if not field.is_scalar)


def described(raw: Signature, features: Features | None) -> Signature:
    """Return a SavedModel's signature as clients see it: inputs become raw features if they cover all of them.

    A feature file states whether the model takes tf.Examples. Without one, the name of the only input decides, because
    a model of one text feature has the same dtype and shape.
    """
    names = tuple(field.name for field in raw.inputs)
    is_one_text = len(names) == 1 and raw.inputs[0].dtype == "string" and raw.inputs[0].shape in (None, (None,))
    if features is None:
        return replace(raw, tensors=names, takes_examples=is_one_text and names[0] in EXAMPLE_INPUTS)
    wanted = {name for feature in features.features for name in (feature.tensor, feature.count) if name}
    if set(names) == wanted and not (raw.name == DEFAULT_SIGNATURE and features.takes == "examples"):
        return replace(raw, inputs=_feature_fields(raw, features), tensors=names)
    return replace(raw, tensors=names, takes_examples=is_one_text)


def feature_fields(features: Features) -> tuple[Field, ...]:
    """Return the fields of rows that no signature describes; the shapes are those of the features."""
    return tuple(Field(f.name, f.dtype, (None, *f.shape), f) for f in features.features)


def _feature_fields(raw: Signature, features: Features) -> tuple[Field, ...]:
    # Shapes come from the signature: feature files of version 1 have none, and a module's own signature may differ.
    shapes = {field.name: field.shape for field in raw.inputs}
    return tuple(Field(f.name, f.dtype, shapes[f.tensor], f) for f in features.features)
