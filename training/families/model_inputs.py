"""Sorts transformed features by how a family can use them: numbers, categories, vectors, texts and pictures."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt

MOST_VALUES = 10_000
"""An integer with larger values is a number, not a category."""
MOST_WORDS = 200_000
"""Largest vocabulary of a list of indices."""
SMALLEST_SIDE = 7
"""A vector of fewer than 7 x 7 values is no picture."""


class Text(NamedTuple):
    """A list of indices of words, of the same length in every row."""

    length: int
    words: int
    """Indices are below it; -1 is any other word."""
    padding: int | None
    """The index that fills short rows; None where no index ends half of them."""


class Picture(NamedTuple):
    """The size of a picture."""

    height: int
    width: int
    channels: int


@dataclass(frozen=True)
class ModelInputs:
    """The features that families use."""

    numbers: tuple[str, ...] = ()
    categories: Mapping[str, int] = field(default_factory=dict)
    """Feature -> its number of values; an index outside them, such as -1, is an unknown value."""
    vectors: Mapping[str, int] = field(default_factory=dict)
    """Feature -> its number of values a row."""
    texts: Mapping[str, Text] = field(default_factory=dict)
    pictures: Mapping[str, Picture] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Features that no family can use, with the reason."""
    names: tuple[str, ...] = ()
    """Every feature that is used, in the order of the transform's outputs: equal orders share transformed rows."""
    mean: float = 0.0
    """Of the label, in the unit that is trained on."""
    deviation: float = 1.0

    def tensors(self) -> dict[str, Any]:
        """Return a Keras input for each feature."""
        found = {name: keras.Input((1,), name=name, dtype="float32") for name in self.numbers}
        found |= {name: keras.Input((1,), name=name, dtype="int64") for name in self.categories}
        found |= {name: keras.Input((width,), name=name, dtype="float32") for name, width in self.vectors.items()}
        found |= {name: keras.Input((one.length,), name=name, dtype="int64") for name, one in self.texts.items()}
        for name, one in self.pictures.items():
            found[name] = keras.Input((math.prod(one),), name=name, dtype="float32")
        return {name: found[name] for name in self.names}


class Width(NamedTuple):
    """What the transform's graph says of a feature."""

    dtype: str
    size: int | None
    """Values a row; None for a sparse feature."""


def usable(widths: Mapping[str, Width]) -> dict[str, str]:
    """Return feature -> why no family can use it; "" for one that is dense and numeric."""
    found = {}
    for name, (dtype, size) in widths.items():
        if size is None:
            found[name] = "it is sparse: make it dense in preprocessing_fn"
        elif dtype not in ("float32", "int64"):
            found[name] = f"it is of the type {dtype}: make numbers of it in preprocessing_fn"
        else:
            found[name] = ""
    return found


@dataclass
class Observer:
    """Finds out what dense features are, from blocks of training rows."""

    widths: Mapping[str, Width]
    has_pictures: bool
    """Whether a raw feature is an encoded image; only then can a vector be a picture."""
    _lowest: dict[str, int] = field(default_factory=dict)
    _highest: dict[str, int] = field(default_factory=dict)
    _last: dict[str, npt.NDArray[Any]] = field(default_factory=dict)
    _labels: list[npt.NDArray[np.float64]] = field(default_factory=list)

    def add(self, features: Mapping[str, npt.NDArray[Any]], labels: npt.NDArray[Any]) -> None:
        """Observe some rows."""
        self._labels.append(np.asarray(labels, np.float64).reshape(-1))
        for name, (dtype, _) in self.widths.items():
            values = features[name]
            if dtype != "int64" or not values.size:
                continue
            self._lowest[name] = min(self._lowest.get(name, 0), int(values.min()))
            self._highest[name] = max(self._highest.get(name, 0), int(values.max()))
            if name not in self._last:
                self._last[name] = values.reshape(len(values), -1)[:, -1]

    def result(self) -> ModelInputs:
        """Return the inputs."""
        labels = np.concatenate(self._labels) if self._labels else np.zeros(0)
        numbers, categories, vectors, texts, pictures = [], {}, {}, {}, {}
        left_out = {name: why for name, why in usable(self.widths).items() if why}
        for name, (dtype, size) in self.widths.items():
            if name in left_out or size is None:
                continue
            side = _picture(size)
            if dtype == "int64" and size == 1 and self._is_index(name, MOST_VALUES):
                categories[name] = self._highest[name] + 1
            elif size == 1:
                numbers.append(name)
            elif dtype == "int64" and self._is_index(name, MOST_WORDS):
                texts[name] = Text(size, self._highest[name] + 1, self._padding(name))
            elif dtype == "int64":
                left_out[name] = f"{size} integers a row that are no indices of words"
            elif side is not None and self.has_pictures:
                pictures[name] = side
            else:
                vectors[name] = size
        deviation = float(labels.std()) if labels.size else 1.0
        return ModelInputs(
            numbers=tuple(numbers),
            categories=categories,
            vectors=vectors,
            texts=texts,
            pictures=pictures,
            left_out=left_out,
            names=tuple(name for name in self.widths if name not in left_out),
            mean=float(labels.mean()) if labels.size else 0.0,
            deviation=deviation or 1.0,
        )

    def _is_index(self, name: str, most: int) -> bool:
        return self._lowest.get(name, 0) >= -1 and self._highest.get(name, 0) < most

    def _padding(self, name: str) -> int | None:
        """Return the index that ends at least half of the first rows."""
        values, counts = np.unique(self._last[name], return_counts=True)
        commonest = int(np.argmax(counts))
        return int(values[commonest]) if counts[commonest] * 2 >= counts.sum() else None


def observe(
    widths: Mapping[str, Width], blocks: Iterable[tuple[Any, ...]], *, has_pictures: bool = False
) -> ModelInputs:
    """Observe blocks of training rows, each its features and labels."""
    observer = Observer(widths, has_pictures)
    for features, labels, *_ in blocks:
        observer.add(features, labels)
    return observer.result()


def _picture(size: int) -> Picture | None:
    """Return the picture that has so many values, gray or with three colors; None where it is no square."""
    for channels in (1, 3):
        side = math.isqrt(size // channels)
        if side >= SMALLEST_SIDE and side * side * channels == size:
            return Picture(side, side, channels)
    return None
