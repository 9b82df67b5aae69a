"""The shards of a split with their places, so that workers draw the rows that one process draws."""

from collections.abc import Sequence
from typing import NamedTuple

from artifacts.examples.manifest import ExamplesManifest, Shard


class PlacedShard(NamedTuple):
    """A shard of a split, with its number and the number of rows before it."""

    number: int
    before: int
    shard: Shard


def placed(manifest: ExamplesManifest, split: str) -> list[PlacedShard]:
    """Return the shards of a split with their places."""
    found, before = [], 0
    for number, shard in enumerate(manifest.of_split(split)):
        found.append(PlacedShard(number, before, shard))
        before += shard.records
    return found


def with_rows(found: Sequence[PlacedShard]) -> list[PlacedShard]:
    """Return those that have rows."""
    return [one for one in found if one.shard.records]
