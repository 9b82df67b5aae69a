"""Which rows of each part are in which step: every part is used up in the same number of steps."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from core.errors import TrainingError
from training.rows import Block


class Schedule(NamedTuple):
    """The steps of an epoch."""

    counts: tuple[int, ...]
    """Rows of each part."""
    batch_size: int
    """Rows of a step, of all parts together, at most."""

    @property
    def steps(self) -> int:
        """Optimizer steps of an epoch."""
        return -(-sum(self.counts) // self.batch_size)

    def check(self) -> None:
        """Raise TrainingError where a part has no row in some steps."""
        if min(self.counts) < self.steps:
            part = self.counts.index(min(self.counts))
            raise TrainingError(
                f"wanted a row of each of {len(self.counts)} parts in every one of {self.steps} steps, got "
                f"{self.counts[part]} rows in part {part}; deliver shards of about equal size, at least one a part "
                "(ingest_examples.part_bytes), or set train_model.distribution.workers lower"
            )

    def sizes(self) -> npt.NDArray[np.int64]:
        """Return how many rows each part has in each step, [parts, steps]."""
        ends = np.arange(self.steps + 1)[None, :] * np.array(self.counts)[:, None] // self.steps
        return np.diff(ends, axis=1)


class Chunk(NamedTuple):
    """The rows of this process in several steps."""

    block: Block
    ends: npt.NDArray[np.int32]
    """[steps]: where each step's rows end."""
    shares: npt.NDArray[np.float32]
    """[steps]: the rows of this process, divided by the mean number of rows of all processes."""


def chunks(schedule: Schedule, streams: dict[int, Iterator[Block]], processes: int, chunk_rows: int) -> Iterator[Chunk]:
    """Yield the rows of some parts, of about `chunk_rows` rows of all parts together at a time."""
    sizes = schedule.sizes()
    cursors = {part: _Cursor(blocks) for part, blocks in streams.items()}
    length = max(1, chunk_rows // schedule.batch_size)
    for start in range(0, schedule.steps, length):
        wanted = sizes[:, start : start + length]
        own = wanted[list(cursors)]
        taken = [cursor.take(int(rows.sum())) for cursor, rows in zip(cursors.values(), own, strict=True)]
        joined = _ordered(taken, own)
        rows = own.sum(axis=0)
        shares = rows * processes / wanted.sum(axis=0)
        yield Chunk(joined, np.cumsum(rows).astype(np.int32), shares.astype(np.float32))


class _Cursor:
    """Takes any number of rows at a time from blocks."""

    def __init__(self, blocks: Iterator[Block]) -> None:
        self._blocks = blocks
        self._rest: Any = None

    def take(self, rows: int) -> Block:
        found: list[Block] = []
        while rows or not found:
            if self._rest is None:
                self._rest = next(self._blocks)
            used = min(rows, len(self._rest[1]))
            found.append(tf.nest.map_structure(lambda values, end=used: values[:end], self._rest))
            is_used_up = used == len(self._rest[1])
            self._rest = None if is_used_up else tf.nest.map_structure(lambda v, start=used: v[start:], self._rest)
            rows -= used
        joined: Block = tf.nest.map_structure(lambda *values: np.concatenate(values), *found)
        return joined


def _ordered(taken: Sequence[Block], sizes: npt.NDArray[np.int64]) -> Block:
    """Join the rows of several parts in the order of the steps; `sizes` is [parts, steps]."""
    steps = [np.repeat(np.arange(sizes.shape[1]), rows) for rows in sizes]
    order = np.argsort(np.concatenate(steps), kind="stable")
    joined: Block = tf.nest.map_structure(lambda *values: np.concatenate(values)[order], *taken)
    return joined
