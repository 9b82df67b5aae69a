"""Writes small examples folders for the tests of several stages."""

from collections.abc import Mapping
from pathlib import Path

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa

from artifacts.examples.encoder import encode
from artifacts.examples.manifest import ExamplesManifest, Shard
from artifacts.examples.writer import Block, SpanWriter


def write_examples(folder: Path, splits: Mapping[str, pa.Table]) -> Path:
    """Write each split as one shard of span 1, strings as bytes; a split without rows is left out, as ingest does."""
    return write_spans(folder, {1: splits}, split_by="hash")


def write_spans(folder: Path, spans: Mapping[int, Mapping[str, pa.Table]], split_by: str = "time") -> Path:
    """Write the splits of several spans, each as `write_examples` does."""
    shards = []
    for span, splits in spans.items():
        for split, table in splits.items():
            if table.num_rows:
                shards += _shards(folder, span, split, table)
    numbers = tuple(spans)
    ExamplesManifest(
        source="test",
        data="",
        spans=numbers,
        wanted_spans=len(numbers),
        split_by=split_by,
        rejected=0,
        shards=tuple(shards),
    ).write(folder)
    return folder


def _shards(folder: Path, span: int, split: str, table: pa.Table) -> list[Shard]:
    binary = table.cast(
        pa.schema(
            [(field.name, pa.binary() if pa.types.is_string(field.type) else field.type) for field in table.schema]
        )
    )
    with SpanWriter(folder, span, ((split, 100.0),)) as writer:
        for batch in binary.combine_chunks().to_batches():
            writer.write(Block(encode(batch), batch))
        return list(writer.finish())
