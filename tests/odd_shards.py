"""Examples whose shards are as odd as they may be: empty, of one row, skewed, or without a feature."""

import gzip
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
from hypothesis import strategies as st

from artifacts.examples import tfrecord
from artifacts.examples.encoder import encode
from artifacts.examples.manifest import ExamplesManifest, Shard
from core import digest

Odd = tuple[int, bool]
"""The rows of a shard, and whether they have all features."""
ODD = st.lists(st.tuples(st.sampled_from([0, 1, 3, 60, 700]), st.booleans()), min_size=1, max_size=4)
"""Shards of a split; `write` adds an ordinary one."""


def write(
    folder: Path, splits: Mapping[str, Sequence[Odd]], rows: Callable[[int, int], pa.Table], optional: str
) -> Path:
    """Write shards of `rows(number, seed)`, some without the feature `optional`, and their manifest."""
    shards = []
    for split, odd in splits.items():
        (folder / f"Split-{split}").mkdir(parents=True)
        for number, (count, is_whole) in enumerate([*odd, (300, True)]):
            table = rows(count, 100 * len(shards))
            assert table.num_rows == count
            records = [] if not count else _records(table if is_whole else table.drop([optional]))
            name = f"Split-{split}/span-00001-{number:05d}-of-{len(odd) + 1:05d}.gz"
            with gzip.open(folder / name, "wb", compresslevel=1) as stream:
                stream.write(b"".join(map(tfrecord.frame, records)))
            shards.append(Shard(name=name, split=split, span=1, records=count, sha256=digest.of_file(folder / name)))
    ExamplesManifest(
        source="test", data="", spans=(1,), wanted_spans=1, split_by="hash", rejected=0, shards=tuple(shards)
    ).write(folder)
    return folder


def _records(table: pa.Table) -> list[bytes]:
    types = [pa.binary() if pa.types.is_string(field.type) else field.type for field in table.schema]
    binary = table.cast(pa.schema(list(zip(table.schema.names, types, strict=True))))
    return [record for batch in binary.combine_chunks().to_batches() for record in encode(batch).to_pylist()]
