"""The rows of a split of which each process reads some parts."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy.typing as npt

from core.errors import TrainingError
from training.rows import Block, Order, Rows


class PartedRows(Rows):
    """The parts that this process reads; length and labels are those of all parts."""

    def __init__(
        self, parts: Mapping[int, Rows], counts: tuple[int, ...], labels: dict[float, float], *, is_soft: bool
    ) -> None:
        """Join rows that were read; `counts` has the rows of every part."""
        self.parts = parts
        self.counts = counts
        self.label = next(iter(parts.values())).label
        self.labels = labels
        self.class_weights = {}
        self.is_soft = is_soft
        self.held_bytes = sum(rows.held_bytes for rows in parts.values())

    def __len__(self) -> int:
        return sum(self.counts)

    def replace(self, targets: npt.NDArray[Any] | None = None, weights: npt.NDArray[Any] | None = None) -> None:  # noqa: ARG002
        """Raise TrainingError: what replaces targets knows no parts."""
        raise TrainingError("wanted a training in one process, got one in several; leave out train_model.distribution")

    def blocks(self) -> Iterator[Block]:
        """Yield the rows of this process."""
        for rows in self._weighted().values():
            yield from rows.blocks()

    def streams(self, order: Order, epoch: int) -> dict[int, Iterator[Block]]:
        """Return the rows of each part of this process, in a different order for every epoch and part."""
        shuffled = {}
        for part, rows in self._weighted().items():
            shuffled[part] = rows.shuffled(order._replace(seed=order.seed + part), epoch)
        return shuffled

    def example(self) -> Block:
        """Return a row of this process, as a block of one."""
        return next(rows for rows in self._weighted().values() if len(rows)).example()

    @property
    def is_here(self) -> bool:
        """Whether this process has any row."""
        return any(len(rows) for rows in self.parts.values())

    def _weighted(self) -> Mapping[int, Rows]:
        for rows in self.parts.values():
            rows.class_weights = self.class_weights
        return self.parts
