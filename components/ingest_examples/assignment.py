"""Assigns rows to splits by their key or group, never by the label, so that labels which arrive later move no row."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, Protocol, Self, TypeAlias

import pyarrow_hotfix  # noqa: F401
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from artifacts.examples import framing
from artifacts.examples.writer import Shares
from artifacts.labels.row_key import RowKey, columns_content, records_content

_BUCKETS = 10_000
"""Number of buckets, and so the resolution of a split's percentage."""
_ROUNDS = ((16, 0x85EBCA6B), (13, 0xC2B2AE35))
"""Shifts and multipliers that make every bit of a checksum depend on all others (MurmurHash3's finalizer)."""

Rows: TypeAlias = pa.RecordBatch | pa.Array
"""Rows as columns, or as serialized tf.Examples."""
Hashes = npt.NDArray[np.uint32]


@dataclass(frozen=True)
class SplitKey:
    """What identifies the rows that stay together."""

    key: RowKey
    group_by: tuple[str, ...] = ()
    """Columns whose equal values keep rows in one split."""

    def hashes(self, rows: Rows) -> Hashes:
        """Return a hash for each row, [rows], equal for rows that stay together; DataError as `RowKey.contents`."""
        return _mixed(framing.crcs(self._contents(rows)))

    def _contents(self, rows: Rows) -> pa.Array:
        if self.group_by:
            return values_of(rows, self.group_by)
        if isinstance(rows, pa.RecordBatch):
            return self.key.contents(rows)
        return self.key.contents_of_records(rows.to_pylist())


class Assignment(Protocol):
    """Decides the split of each row."""

    def __call__(self, hashes: Hashes, shares: Shares) -> npt.NDArray[np.intp]:
        """Return the place of each row's split among the shares, [rows]."""
        ...


def by_hash(hashes: Hashes, shares: Shares) -> npt.NDArray[np.intp]:
    """Assign each row by its hash: it keeps its split whatever other rows there are."""
    bounds = np.cumsum([percent * _BUCKETS / 100 for _, percent in shares])[:-1]
    return np.searchsorted(bounds, (hashes.astype(np.uint64) * _BUCKETS) >> np.uint64(32), side="right")


class Groups(NamedTuple):
    """Groups of rows that stay together, sorted by their hashes."""

    hashes: Hashes
    strata: pa.Array
    """What the stratum of each group's first row is made of, as binary."""
    rows: npt.NDArray[np.int64]
    """Number of rows of each group."""

    @classmethod
    def of(cls, hashes: Hashes, strata: pa.Array) -> Self:
        """Group rows, [rows]."""
        found, first, counts = np.unique(hashes, return_index=True, return_counts=True)
        return cls(found, strata.cast(pa.large_binary()).take(pa.array(first)), counts)

    @classmethod
    def joined(cls, parts: Iterable[Self]) -> Self:
        """Join groups of several parts of the rows, in the order of the rows."""
        found = list(parts)
        hashes = np.concatenate([one.hashes for one in found]) if found else np.empty(0, np.uint32)
        strata = pa.chunked_array([one.strata for one in found], pa.large_binary()).combine_chunks()
        counts = np.concatenate([one.rows for one in found]) if found else np.empty(0, np.int64)
        groups, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
        summed = np.bincount(inverse, counts, len(groups)).astype(np.int64)
        return cls(groups, strata.take(pa.array(first)), summed)


class Stratified:
    """Gives each stratum its share of every split, to within one group of rows, which stays together.

    A group belongs to the stratum of its first row. Inside a stratum, groups are in the order of their hashes; the
    split of a group is that of the middle of its rows.
    """

    def __init__(self, parts: Iterable[Groups], shares: Shares) -> None:
        """Assign the groups of all rows, given in the order of the rows."""
        groups = Groups.joined(parts)
        self._groups, counts = groups.hashes, groups.rows
        codes = groups.strata.dictionary_encode().indices.to_numpy()
        self._splits = np.zeros(len(self._groups), np.int8)
        bounds = np.cumsum([percent / 100 for _, percent in shares])[:-1]
        for code in np.unique(codes):
            members = np.flatnonzero(codes == code)
            until = np.cumsum(counts[members])
            middle = (until - counts[members] / 2) / until[-1]
            self._splits[members] = np.searchsorted(bounds, middle, side="right")

    def __call__(self, hashes: Hashes, shares: Shares) -> npt.NDArray[np.intp]:
        """Return the place of each row's split among the shares that were given at the start."""
        del shares
        return self._splits[np.searchsorted(self._groups, hashes)].astype(np.intp)


def values_of(rows: Rows, columns: tuple[str, ...]) -> pa.Array:
    """Return the values of columns for each row, as a binary array; DataError for a missing column or a null."""
    if isinstance(rows, pa.RecordBatch):
        return columns_content(rows, columns)
    return records_content(rows.to_pylist(), columns)


def _mixed(checksums: npt.NDArray[np.uint32]) -> Hashes:
    """Spread checksums over all values: those of short keys alone fill only some buckets."""
    mixed = checksums.astype(np.uint32)
    for shift, factor in _ROUNDS:
        mixed ^= mixed >> np.uint32(shift)
        mixed *= np.uint32(factor)
    return mixed ^ (mixed >> np.uint32(16))
