"""Divides the rows of some examples into output shards, and reads the rows of each."""

from collections.abc import Iterator, Sequence
from itertools import groupby, islice
from typing import NamedTuple

from artifacts.examples import tfrecord
from artifacts.examples.manifest import ExamplesManifest, Shard
from artifacts.examples.names import shard_stem
from artifacts.examples.shards import records as opened
from core.errors import CorruptArtifact, EmptyDataset, did_you_mean
from core.object_stores.locations import Location


class OutputShard(NamedTuple):
    """Some consecutive rows of one file of examples; they become one file of each output."""

    number: int
    of: int
    """Number of output shards of the whole inference."""
    in_span: int
    """Its number among the shards of its split and span, of which there are `of_span`."""
    of_span: int
    source: Shard
    start: int
    rows: int

    @property
    def stem(self) -> str:
        """Path prefix of its files, without the number."""
        return shard_stem(self.source.split, self.source.span)


def divide(manifest: ExamplesManifest, splits: Sequence[str], shard_rows: int) -> list[OutputShard]:
    """Divide the rows of some splits, or of all, into shards of at most `shard_rows`; EmptyDataset for no rows."""
    for split in splits:
        if split not in manifest.splits():
            known = manifest.splits()
            raise EmptyDataset(
                f"wanted examples of split {split!r}, got {', '.join(known)}{did_you_mean(split, known)}"
            )
    sources = [shard for shard in manifest.shards if shard.split in splits or not splits]
    parts = [
        (source, start, min(shard_rows, source.records - start))
        for source in sources
        for start in range(0, source.records, shard_rows)
    ]
    if not parts:
        raise EmptyDataset("wanted at least one row to predict, got none")
    groups: dict[tuple[str, int], int] = {}
    placed = []
    for source, start, rows in parts:
        key = (source.split, source.span)
        placed.append((groups.get(key, 0), source, start, rows))
        groups[key] = groups.get(key, 0) + 1
    return [
        OutputShard(number, len(parts), in_span, groups[source.split, source.span], source, start, rows)
        for number, (in_span, source, start, rows) in enumerate(placed)
    ]


def read(
    folder: Location, shards: Sequence[OutputShard], batch_rows: int
) -> Iterator[tuple[OutputShard, Iterator[list[bytes]]]]:
    """Yield each shard with its rows as batches of serialized tf.Examples; the batches must be taken before the next.

    A file with several shards is read once. Raises CorruptArtifact for a file that differs from the manifest.
    """
    for _, group in groupby(shards, key=lambda shard: shard.source):
        of_file = list(group)
        with opened(folder, of_file[0].source) as path:
            records, position = tfrecord.read_trusted(tfrecord.inflate(path)), 0
            for shard in of_file:
                next(islice(records, shard.start - position, shard.start - position), None)
                yield shard, _batches(records, shard, batch_rows)
                position = shard.start + shard.rows


def _batches(records: Iterator[bytes], shard: OutputShard, batch_rows: int) -> Iterator[list[bytes]]:
    left = shard.rows
    while left:
        batch = list(islice(records, min(batch_rows, left)))
        if not batch:
            raise CorruptArtifact(
                f"{shard.source.name}: wanted {shard.source.records} records, got {shard.start + shard.rows - left}; "
                "run ingest_examples again"
            )
        left -= len(batch)
        yield batch
