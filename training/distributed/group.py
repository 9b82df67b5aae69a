"""The processes of one training at work: their strategy, the parts that each reads, and what they send each other."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from core.errors import TrainingError
from core.object_stores.locations import Location
from training.distributed.members import Member

_WORD = np.dtype(np.int64)


@dataclass(frozen=True)
class Group:
    """One process's view of all. Every method that sends is called by all of them, in the same order."""

    member: Member
    parts: int
    """Into how many parts the rows are divided; the weights depend on this number and not on the processes."""
    strategy: Any
    """MultiWorkerMirroredStrategy, or TensorFlow's default strategy for one process."""
    kept: Location | None = None
    """Where the first process keeps its checkpoint as well, because its own disk does not outlive it."""

    @classmethod
    def joined(cls, member: Member, parts: int = 0, kept: Location | None = None) -> "Group":
        """Wait for all processes; called before TensorFlow has computed anything. `parts` is one a process unless set.

        Raises TrainingError for more processes than parts, and for a process with several devices.
        """
        parts = parts or member.count
        if parts < member.count:
            raise TrainingError(
                f"wanted at least {member.count} parts for {member.count} processes, got {parts}; "
                "set train_model.distribution.workers to the number of processes"
            )
        if member.count == 1:
            return cls(member, parts, tf.distribute.get_strategy(), kept)
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
        if strategy.num_replicas_in_sync != member.count:
            raise TrainingError(
                f"wanted one device a process, got {strategy.num_replicas_in_sync} devices for {member.count} "
                "processes; start a process for each GPU, and show it that one alone (CUDA_VISIBLE_DEVICES)"
            )
        return cls(member, parts, strategy, kept)

    @property
    def own(self) -> tuple[int, ...]:
        """The parts that this process reads."""
        return tuple(range(self.member.index, self.parts, self.member.count))

    def exchange(self, value: Any) -> list[Any]:
        """Send a JSON value, and return those of all processes in their order."""
        return [json.loads(content) for content in self._gathered(json.dumps(value).encode())]

    def from_chief(self, content: bytes) -> bytes:
        """Return the content that the first process has."""
        return self._gathered(content if self.member.is_chief else b"")[0]

    def _gathered(self, content: bytes) -> list[bytes]:
        if self.member.count == 1:
            return [content]
        sizes = [int(size) for size in self._rows(np.array([len(content)], _WORD))[:, 0]]
        words = -(-max(sizes) // _WORD.itemsize)
        if not words:
            return [b""] * self.member.count
        padded = np.frombuffer(content.ljust(words * _WORD.itemsize, b"\0"), _WORD)
        return [row.tobytes()[:size] for row, size in zip(self._rows(padded), sizes, strict=True)]

    def _rows(self, values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return equally many values of each process, [processes, values].

        As a sum of what all but one of them have as zeros: a gathering does not say whose value is where.
        """
        mine = np.zeros((self.member.count, len(values)), _WORD)
        mine[self.member.index] = values
        with self.strategy.scope():
            found: npt.NDArray[np.int64] = self.strategy.reduce(
                tf.distribute.ReduceOp.SUM, tf.constant(mine), axis=None
            ).numpy()
        return found
