"""The players of one explained row: its features, and in place of a text or an image the words or cells of it."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from artifacts.explanations.cells import Cells
from artifacts.explanations.words import Words
from artifacts.model.features import Feature
from artifacts.model.request import absent_value
from serving.bodies.columns import Column
from serving.models.savedmodel import decoded_image

MOST_WORDS = 48
MOST_CELLS = 64
Fed = Mapping[str, Column]


class _Seat(NamedTuple):
    """A feature's first player, how many it has, and how their values are made."""

    feature: Feature
    first: int
    players_count: int
    parts: Words | Cells | None

    @property
    def players(self) -> slice:
        return slice(self.first, self.first + self.players_count)


class Players:
    """Who may join a coalition for one row."""

    def __init__(self, features: Sequence[Feature], row: Fed, background: Fed) -> None:
        """Seat the features; `row` is one row's tensors, `background` those of the background rows."""
        self.tables = {name: _stacked(row[name], background[name]) for name in background}
        """By tensor, the explained row and then the background rows."""
        self._seats: list[_Seat] = []
        first = 0
        for feature in features:
            parts = self._parts(feature)
            count = 1 if parts is None else len(parts.pieces) if isinstance(parts, Words) else len(parts.grid)
            self._seats.append(_Seat(feature, first, count, parts))
            first += count
        self._count = first
        self.same = self._same()
        """[background rows, players]: who is the same in a background row."""

    def __len__(self) -> int:
        return self._count

    @property
    def have_parts(self) -> bool:
        """Whether a text or an image is in parts, so that the background is not that of the other rows."""
        return any(seat.parts is not None for seat in self._seats)

    @property
    def are_words(self) -> bool:
        """Whether all of them are words, so that nothing comes from a background row."""
        return all(isinstance(seat.parts, Words) for seat in self._seats)

    def columns(self, mask: NDArray[np.bool_], background: NDArray[np.intp]) -> dict[str, Column]:
        """Return the tensors of coalitions, [points, players]."""
        source = np.where(mask, 0, 1 + background[:, np.newaxis])
        found: dict[str, Column] = {}
        for seat in self._seats:
            feature = seat.feature
            names = [name for name in (feature.tensor, feature.count) if name]
            if seat.parts is None:
                found |= {name: self.tables[name][source[:, seat.first]] for name in names}
                continue
            found |= {name: np.repeat(self.tables[name][:1], len(mask), axis=0) for name in names}
            found[feature.tensor] = self._made(seat, mask[:, seat.players], background)
        return found

    def by_feature(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Add up the parts of each feature, [players, outputs] -> [features, outputs]."""
        return np.stack([values[seat.players].sum(axis=0) for seat in self._seats])

    def words(self, values: NDArray[np.float64]) -> dict[str, tuple[tuple[str, float], ...]]:
        """Return the words of each text with their parts, from [players]."""
        found = {}
        for seat in self._seats:
            if isinstance(seat.parts, Words):
                found[seat.feature.name] = tuple(zip(seat.parts.names, values[seat.players].tolist(), strict=True))
        return found

    def cells(self, values: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Return the cells of each image with their parts, [rows, columns], from [players]."""
        found = {}
        for seat in self._seats:
            if isinstance(seat.parts, Cells):
                found[seat.feature.name] = values[seat.players].reshape(seat.parts.grid.shape)
        return found

    def _parts(self, feature: Feature) -> Words | Cells | None:
        table = self.tables[feature.tensor]
        is_present = not feature.count or self.tables[feature.count][0] == 1
        if feature.content == "text" and is_present and not feature.shape:
            words = Words(table[0], MOST_WORDS)
            return words if len(words.pieces) > 1 else None
        if feature.content == "image" and is_present and not feature.shape:
            pictures = [picture for picture in map(_decoded, table.tolist()) if picture is not None]
            return Cells(pictures[0], pictures[1:], MOST_CELLS) if len(pictures) == len(table) else None
        if feature.dtype != "string" and table.ndim in {3, 4}:
            pixels = table if table.ndim == 4 else table[..., np.newaxis]
            return Cells(pixels[0], list(pixels[1:]), MOST_CELLS)
        return None

    def _made(self, seat: _Seat, mask: NDArray[np.bool_], background: NDArray[np.intp]) -> Column:
        if isinstance(seat.parts, Words):
            return seat.parts.without(mask)
        assert isinstance(seat.parts, Cells)
        if seat.feature.dtype == "string":
            return seat.parts.encoded(mask, background)
        table = self.tables[seat.feature.tensor]
        return seat.parts.pixels(mask, background).reshape(-1, *table.shape[1:])

    def _same(self) -> NDArray[np.bool_]:
        rows = len(next(iter(self.tables.values()))) - 1
        same = np.ones((rows, self._count), bool)
        for seat in self._seats:
            if isinstance(seat.parts, Cells):
                same[:, seat.players] = seat.parts.same()
            elif seat.parts is not None:
                same[:, seat.players] = False
            else:
                for name in (seat.feature.tensor, seat.feature.count):
                    same[:, seat.first] &= _equal(self.tables[name]) if name else True
        return same


def row_bytes(tables: Fed) -> int:
    """Return the bytes of the largest row of some tensors, about."""
    total = 0
    for table in tables.values():
        total += table.nbytes // len(table)
        if table.dtype == object:
            total += max(sum(map(len, np.atleast_1d(row).tolist())) for row in table)
    return total


def joined(feature: Feature, fed: Fed) -> list[list[Any]]:
    """Return a feature's values of each row as a list, as tf.Example has it; empty for a row without it."""
    rows: list[list[Any]] = fed[feature.tensor].reshape(len(fed[feature.tensor]), -1).tolist()
    if feature.count:
        counts = fed[feature.count].tolist()
        return [row[:count] if feature.is_list else row * bool(count) for row, count in zip(rows, counts, strict=True)]
    if feature.required:
        return rows
    missing = absent_value(feature)
    return [[] if row[0] == missing or (missing != missing and row[0] != row[0]) else row for row in rows]  # noqa: PLR0124 - NaN


@lru_cache(2 * 32)
def _decoded(content: bytes) -> Column | None:
    """Decode an image; the background's are the same for every row."""
    return decoded_image(content)


def _stacked(row: Column, background: Column) -> Column:
    """Put the explained row before the background rows; lists are padded to the longest."""
    if row.ndim == background.ndim == 2 and row.shape[1] != background.shape[1]:
        width = max(row.shape[1], background.shape[1])
        row, background = (_padded(array, width) for array in (row, background))
    return np.concatenate([row, background])


def _padded(array: Column, width: int) -> Column:
    filled = np.full((len(array), width), b"" if array.dtype == object else 0, array.dtype)
    filled[:, : array.shape[1]] = array
    return filled


def _equal(table: Column) -> NDArray[np.bool_]:
    """Return whether each background row equals the explained row; NaN equals NaN."""
    equal = table[1:] == table[0]
    if table.dtype.kind == "f":
        equal |= np.isnan(table[1:]) & np.isnan(table[0])
    flat: NDArray[np.bool_] = np.asarray(equal, bool).reshape(len(table) - 1, -1).all(axis=1)
    return flat
