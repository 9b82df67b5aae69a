"""Divides the shards of a split among processes that each read a part of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from artifacts.examples.manifest import Shard


@dataclass(frozen=True)
class Part:
    """One of several parts of some shards, counted from 0."""

    index: int
    of: int

    def select(self, shards: Sequence[Shard]) -> tuple[Shard, ...]:
        """Return the shards of this part, in their order; together the parts have each shard once.

        The largest shards are given out first, each to the part with the fewest rows so far, so that parts of many
        shards are about equally large.
        """
        rows = [0] * self.of
        chosen: set[str] = set()
        for shard in sorted(shards, key=lambda one: (-one.records, one.name)):
            least = rows.index(min(rows))
            rows[least] += shard.records
            if least == self.index:
                chosen.add(shard.name)
        return tuple(shard for shard in shards if shard.name in chosen)
