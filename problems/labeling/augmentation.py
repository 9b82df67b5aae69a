"""Transformation functions: what a use case's `labeling.py` lists as `transformation_functions`.

Each makes another row of a row without changing what its label is, such as a text with words replaced by synonyms.
Every row has its own random numbers, which depend on the seed and on the row's number alone, so the same rows come out
of batches of any size.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa

from core.errors import LabelingError
from problems.labeling.rows import column, rows, shown

_WORD = re.compile(r"\w+(?:'\w+)?")


class TransformationFunction(Protocol):
    """Makes rows of rows."""

    @property
    def name(self) -> str:
        """Its name in tables and messages."""

    def transformed(self, batch: pa.RecordBatch, seeds: Sequence[int]) -> pa.RecordBatch:
        """Return a row for each row, with the seed of each; a row that is not changed is equal to its origin."""


@dataclass(frozen=True)
class TextFunction:
    """Changes the text of one feature, given random numbers."""

    name: str
    feature: str
    change: Callable[[str, np.random.RandomState], str]

    def transformed(self, batch: pa.RecordBatch, seeds: Sequence[int]) -> pa.RecordBatch:
        """Change the text of each row."""
        texts = column(batch, self.feature, self.name).to_pylist()
        random = np.random.RandomState()
        changed = []
        for text, seed in zip(texts, seeds, strict=True):
            random.seed(seed)
            changed.append(None if text is None else self.change(text, random))
        index = batch.schema.get_field_index(self.feature)
        columns = list(batch.columns)
        columns[index] = pa.array(changed, columns[index].type)
        return pa.RecordBatch.from_arrays(columns, batch.schema.names)


@dataclass(frozen=True)
class RowTransformation:
    """A Python function of a row that returns the changed row, or None for no other row, as snorkel's do."""

    name: str
    function: Callable[[Any], Any]

    def transformed(self, batch: pa.RecordBatch, seeds: Sequence[int]) -> pa.RecordBatch:
        """Call the function for each row; NumPy's and Python's random numbers are seeded before each call."""
        import random  # noqa: PLC0415 - the module is seeded, not used

        made: list[dict[str, Any]] = []
        for index, (row, seed) in enumerate(zip(rows(batch), seeds, strict=True)):
            origin = dict(vars(row))
            random.seed(seed)
            np.random.seed(seed)
            try:
                changed = self.function(row)
            except Exception as error:
                raise LabelingError(
                    f"transformation function {self.name!r} raised {type(error).__name__}: {error!s:.200} "
                    f"for row {index} ({shown(batch, index)})"
                ) from error
            made.append(origin if changed is None else {name: getattr(changed, name) for name in origin})
        columns = [pa.array([one[name] for one in made], batch.schema.field(name).type) for name in batch.schema.names]
        return pa.RecordBatch.from_arrays(columns, batch.schema.names)


def synonyms(feature: str, table: Mapping[str, Sequence[str]], *, share: float = 0.3, name: str = "") -> TextFunction:
    """Replace a share of the words that a table has, each by one of its synonyms."""
    known = {word.lower(): tuple(others) for word, others in table.items() if others}
    if not known:
        raise LabelingError(f"synonyms on {feature!r}: wanted a table of words with synonyms, got an empty one")

    def change(text: str, random: np.random.RandomState) -> str:
        def other(match: re.Match[str]) -> str:
            choices = known.get(match[0].lower())
            if choices is None or random.random_sample() >= share:
                return match[0]
            return choices[random.randint(len(choices))]

        return _WORD.sub(other, text)

    return TextFunction(name or f"synonyms_{feature}", feature, change)


def swap_words(feature: str, *, name: str = "") -> TextFunction:
    """Exchange two neighbouring words."""

    def change(text: str, random: np.random.RandomState) -> str:
        words = text.split(" ")
        if len(words) > 1:
            at = random.randint(len(words) - 1)
            words[at], words[at + 1] = words[at + 1], words[at]
        return " ".join(words)

    return TextFunction(name or f"swap_words_{feature}", feature, change)


def drop_word(feature: str, *, name: str = "") -> TextFunction:
    """Leave one word out; a text of a single word stays as it is."""

    def change(text: str, random: np.random.RandomState) -> str:
        words = text.split(" ")
        if len(words) > 1:
            del words[random.randint(len(words))]
        return " ".join(words)

    return TextFunction(name or f"drop_word_{feature}", feature, change)


def transformations(given: Iterable[Any]) -> list[TransformationFunction]:
    """Return the entries of `transformation_functions`; LabelingError for what is none."""
    found: list[TransformationFunction] = []
    for one in given:
        name = getattr(one, "name", None) or getattr(one, "__name__", "")
        if hasattr(one, "transformed"):
            found.append(one)
        elif callable(one) and name:
            found.append(RowTransformation(str(name), one))
        else:
            raise LabelingError(
                "transformation_functions: wanted functions of a row, or synonyms, swap_words or drop_word, "
                f"got {one!r:.80}"
            )
    return found


def augment(
    functions: Sequence[TransformationFunction], batch: pa.RecordBatch, numbers: Sequence[int], seed: int
) -> tuple[pa.RecordBatch, list[int]]:
    """Return a changed copy of each row, and the positions of their origins; a copy that is not changed is left out.

    `numbers` are the rows' own numbers, which choose the function and its random numbers, and so does the seed.
    """
    seeds = [_mixed(number, seed) for number in numbers]
    parts, origins = [], []
    for index, function in enumerate(functions):
        chosen = [at for at, mixed in enumerate(seeds) if mixed % len(functions) == index]
        if not chosen:
            continue
        own = _take(batch, chosen)
        made = function.transformed(own, [seeds[at] // len(functions) for at in chosen])
        changed = [at for at in range(len(chosen)) if not made.slice(at, 1).equals(own.slice(at, 1))]
        parts.append(_take(made, changed))
        origins += [chosen[at] for at in changed]
    if not parts:
        return batch.slice(0, 0), []
    table = pa.Table.from_batches(parts).combine_chunks()
    return (table.to_batches() or [batch.slice(0, 0)])[0], origins


def _take(batch: pa.RecordBatch, positions: Sequence[int]) -> pa.RecordBatch:
    chosen = pa.array(positions, pa.int64())
    return pa.RecordBatch.from_arrays([values.take(chosen) for values in batch.columns], batch.schema.names)


def _mixed(number: int, seed: int) -> int:
    """Return 32 bits that depend on a row's number and the seed (SplitMix)."""
    mixed = (number * 0x9E3779B97F4A7C15 + seed * 0xBF58476D1CE4E5B9 + 0x94D049BB133111EB) & (1 << 64) - 1
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 & (1 << 64) - 1
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & (1 << 64) - 1
    return (mixed ^ mixed >> 31) & 0xFFFFFFFF
