"""Writes small examples folders for the tests of several stages."""

from collections.abc import Mapping
from pathlib import Path

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa

from artifacts.examples.encoder import encode
from artifacts.examples.manifest import ExamplesManifest
from artifacts.examples.writer import Block, SpanWriter


def write_examples(folder: Path, splits: Mapping[str, pa.Table]) -> Path:
    """Write each split as one shard of span 1, strings as bytes; a split without rows is left out, as ingest does."""
    shards = []
    for split, table in splits.items():
        if not table.num_rows:
            continue
        binary = table.cast(
            pa.schema(
                [(field.name, pa.binary() if pa.types.is_string(field.type) else field.type) for field in table.schema]
            )
        )
        with SpanWriter(folder, 1, ((split, 100.0),)) as writer:
            for batch in binary.combine_chunks().to_batches():
                writer.write(Block(encode(batch), batch))
            shards += writer.finish()
    ExamplesManifest(
        source="test", data="", spans=(1,), wanted_spans=1, split_by="hash", rejected=0, shards=tuple(shards)
    ).write(folder)
    return folder
