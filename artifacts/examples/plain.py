"""Examples as plain columns: one value a row instead of a list, as the encoder and the functions of users take them."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
import pyarrow.compute as pc

from artifacts.examples.batches import shard_batches
from artifacts.examples.manifest import Shard
from artifacts.examples.shards import verified, verified_columns


def plain_batches(folder: Path, shard: Shard, batch_size: int) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a shard as plain columns; a feature of which some row has several values stays a list.

    Raises CorruptArtifact for files that differ from the manifest.
    """
    if shard.columns is None:
        for batch in shard_batches(folder, shard, None, batch_size):
            yield plain(batch)
        return
    verified(folder, shard)
    path = verified_columns(folder, shard.columns)
    with pa.OSFile(str(path)) as stream, pa.ipc.open_stream(stream) as batches:
        for batch in batches:
            for start in range(0, batch.num_rows, batch_size):
                yield batch.slice(start, batch_size)


def plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return a batch of lists with plain columns where no row has several values."""
    return pa.RecordBatch.from_arrays([_plain(column) for column in batch.columns], batch.schema.names)


def _plain(column: pa.Array) -> pa.Array:
    kind = column.type
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
        return column
    lengths = pc.fill_null(pc.list_value_length(column), 0)
    if len(column) and pc.max(lengths).as_py() > 1:
        return column
    present = pc.equal(lengths, 1)
    position = pc.if_else(present, pc.subtract(pc.cumulative_sum(pc.cast(lengths, pa.int64())), 1), None)
    return column.flatten().take(position)
