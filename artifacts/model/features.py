"""`features.json`: the raw features that a model takes, written by training and read by servers and clients.

A client names features; the SavedModel's signature `serving_default` names tensors. One feature is one or two tensors:

- `argument`, the values: [rows], or [rows, ...] for a feature with a shape. TensorFlow takes only names that are Python
  identifiers, so the tensor of `petal length (cm)` has another name than the feature.
- `count`, for a feature that a row may lack or have any number of: int64 [rows], the row's number of values. Values
  beyond it are padding. So no value is reserved for "missing", and every integer and every string can be served.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from artifacts.model.names import FEATURES
from core import durable
from core.errors import CorruptArtifact

VERSION = 2
DType = Literal["float32", "int64", "string"]
_WORDS: dict[DType, str] = {"float32": "float", "int64": "int", "string": "string"}
_DTYPES: dict[str, DType] = {word: dtype for dtype, word in _WORDS.items()}
Takes = Literal["features", "examples"]
"""What the signature `serving_default` takes: one or two tensors for each feature, or serialized tf.Examples."""


Personal = Literal["unknown", "no", "drop", "hash"]
"""What may be kept of a feature's values: nothing while it is unknown or to be dropped, or only a keyed hash."""
Content = Literal["", "text", "image"]
"""What a feature's bytes are: a text or an encoded image, or something that is not divided further."""


@dataclass(frozen=True)
class Feature:
    """One raw feature of a row."""

    name: str
    dtype: DType
    required: bool = True
    """Whether every row must have it."""
    shape: tuple[int | None, ...] = ()
    """Shape of one row's value: () is one value, (4,) a list of four, (None,) a list of any number of values."""
    argument: str = ""
    """Name of the tensor of its values in `serving_default`; the feature's own name when empty."""
    count: str = ""
    """Name of the tensor with the number of values of each row; empty when every row has the same number."""
    values: tuple[str, ...] = ()
    """The categories in the schema's domain; empty without a domain."""
    personal: Personal = "unknown"
    """Whether the schema marks it as personal; unknown in a model that was trained before schemas could."""
    content: Content = ""
    """What the schema's domain says that it is."""

    @property
    def tensor(self) -> str:
        """Name of the tensor of its values."""
        return self.argument or self.name

    @property
    def is_list(self) -> bool:
        """Whether a row may have any number of values."""
        return self.shape == (None,)

    @property
    def stand_in(self) -> str | float | int:
        """The value that means "missing" in a model of version 1, which has no counts."""
        if self.dtype == "string":
            return ""
        return math.nan if self.dtype == "float32" else -1


@dataclass(frozen=True)
class Features:
    """The raw features of a model, its label, task and classes."""

    features: tuple[Feature, ...]
    label: str = ""
    task: str = ""
    classes: tuple[str, ...] = ()
    """Names of the classes in the order of the scores; empty when there are none or they are unknown."""
    takes: Takes = "features"
    version: int = VERSION

    @cached_property
    def by_name(self) -> Mapping[str, Feature]:
        """The features by name."""
        return {feature.name: feature for feature in self.features}

    def write(self, saved_model: Path) -> None:
        """Write the file atomically."""
        path = saved_model / FEATURES
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {
            "version": VERSION,
            "task": self.task,
            "label": self.label,
            "classes": self.classes,
            "takes": self.takes,
            "features": [_entry(feature) for feature in self.features],
        }
        durable.replace(path, (json.dumps(content, indent=2) + "\n").encode())


def read_features(saved_model: Path) -> Features | None:
    """Read the features of a model; None for a model without the file, which was not trained by this project.

    Raises CorruptArtifact when the file is invalid.
    """
    path = saved_model / FEATURES
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_bytes())
        version = int(content.get("version", 1))
        if version not in {1, VERSION}:
            raise ValueError(f"version {version}, but this program reads 1 and {VERSION}")
        return Features(
            tuple(_feature(entry) for entry in content["features"]),
            str(content.get("label", "")),
            str(content.get("task", "")),
            tuple(map(str, content.get("classes", ()))),
            _takes(content.get("takes", "features")),
            version,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptArtifact(
            f"{path}: wanted the features as training writes them, got {type(error).__name__}: {error}; train again"
        ) from None


def _entry(feature: Feature) -> dict[str, Any]:
    return {
        "name": feature.name,
        "argument": feature.tensor,
        "count": feature.count or None,
        "dtype": _WORDS[feature.dtype],
        "required": feature.required,
        "shape": feature.shape,
        "values": feature.values,
        "personal": feature.personal,
        "content": feature.content,
    }


def _feature(entry: Mapping[str, Any]) -> Feature:
    return Feature(
        str(entry["name"]),
        _DTYPES[entry["dtype"]],
        bool(entry["required"]),
        tuple(None if size is None else int(size) for size in entry.get("shape", ())),
        str(entry.get("argument", entry["name"])),
        str(entry.get("count") or ""),
        tuple(map(str, entry.get("values") or ())),
        _personal(entry.get("personal", "unknown")),
        _content(entry.get("content", "")),
    )


def _personal(word: str) -> Personal:
    match word:
        case "no" | "drop" | "hash":
            return word
    return "unknown"  # also what a newer program wrote: nothing is kept


def _content(word: str) -> Content:
    match word:
        case "text" | "image":
            return word
    return ""


def _takes(word: str) -> Takes:
    match word:
        case "features" | "examples":
            return word
    raise ValueError(f"takes {word!r}, but this program reads features and examples")
