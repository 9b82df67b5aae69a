"""What a model takes and gives, without TensorFlow: the signatures of a SavedModel and the features behind them."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from serving.errors import ModelError

FEATURES_FILE = "assets.extra/features.json"
DEFAULT_SIGNATURE = "serving_default"
KINDS = {"float": "float32", "int": "int64", "string": "string"}
"""The types of features.json -> the types of tensors."""

Shape = tuple[int | None, ...] | None
"""None for a dimension or a rank that is only known at run time."""


@dataclass(frozen=True)
class Field:
    """One input or output of a signature; `dtype` is numpy's name, or `string`; `shape` includes the batch."""

    name: str
    dtype: str
    shape: Shape
    required: bool = True
    values: frozenset[str] = frozenset()
    """The categories that training has seen, where the model says them."""

    @property
    def absent(self) -> str | float | int:
        """How a missing value is told to the exported graph."""
        if self.dtype == "string":
            return ""
        return math.nan if self.dtype.startswith("float") else -1


@dataclass(frozen=True)
class Signature:
    """One callable of a SavedModel."""

    name: str
    inputs: tuple[Field, ...]
    outputs: tuple[Field, ...]
    method: str = ""

    @cached_property
    def fields(self) -> Mapping[str, Field]:
        """The inputs by name."""
        return {field.name: field for field in self.inputs}

    @cached_property
    def required(self) -> frozenset[str]:
        """Names of the inputs that must be in every row."""
        return frozenset(field.name for field in self.inputs if field.required)

    @property
    def takes_examples(self) -> bool:
        """Whether its only input is serialized tf.Example records."""
        return (
            len(self.inputs) == 1
            and self.inputs[0].dtype == "string"
            and self.inputs[0].name in {"examples", "inputs", "input_example_tensor"}
        )


@dataclass(frozen=True)
class Features:
    """The raw features of a model that was exported by this project."""

    fields: tuple[Field, ...]
    label: str

    @cached_property
    def by_name(self) -> Mapping[str, Field]:
        """The features by name."""
        return {field.name: field for field in self.fields}

    def annotate(self, signature: Signature) -> Signature:
        """Tell a raw signature which of its inputs may be missing and what values are known; others stay as they are."""
        if set(signature.fields) != set(self.by_name):
            return signature
        inputs = tuple(
            Field(f.name, f.dtype, f.shape, self.by_name[f.name].required, self.by_name[f.name].values)
            for f in signature.inputs
        )
        return Signature(signature.name, inputs, signature.outputs, signature.method)


def read_features(saved_model: Path) -> Features | None:
    """Read the feature list that training leaves beside a model; None for a model that was made elsewhere.

    Raises ModelError when the file is there and cannot be used.
    """
    path = saved_model / FEATURES_FILE
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_bytes())
        fields = tuple(_feature(entry) for entry in content["features"])
        return Features(fields, str(content.get("label", "")))
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{path}: wanted the features as training writes them, got {type(error).__name__}: {error}"
        ) from None


def _feature(entry: Mapping[str, Any]) -> Field:
    values = frozenset(str(value) for value in entry.get("values") or ())
    return Field(entry["name"], KINDS[entry["dtype"]], (None,), bool(entry["required"]), values)
