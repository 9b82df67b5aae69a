"""Reads the train split: a sample of its rows with their spans, and the features that never change in it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from tensorflow_metadata.proto.v0 import schema_pb2

from artifacts.examples.batches import record_batches
from artifacts.examples.manifest import ExamplesManifest
from artifacts.examples.names import TRAIN
from core.errors import EmptyDataset

_BATCH_ROWS = 8192


@dataclass(frozen=True)
class Sampled:
    """Some rows of the train split, in their order."""

    batch: pa.RecordBatch
    spans: NDArray[np.int64]
    """The span of each row."""
    constants: dict[str, str]
    """Feature -> the one value that all rows of the split have, or that they have none."""


@dataclass
class _Seen:
    """What rows had of a feature so far."""

    values: set[Any] = field(default_factory=set)
    varies: bool = False

    def add(self, column: pa.Array) -> None:
        """Add rows; a list of several values counts as varying."""
        if self.varies:
            return
        lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
        flat = column.flatten()
        if lengths.size and lengths.max() > 1:
            self.varies = True
            return
        if lengths.size and lengths.min() == 0:
            self.values.add(None)
        if len(flat):
            self.values.add(flat[0].as_py())
            same = pc.equal(flat, flat[0])
            self.varies = not bool(pc.all(same).as_py())
        self.varies = self.varies or len(self.values) > 1

    @property
    def value(self) -> str:
        """What every row has."""
        (value,) = self.values
        if value is None:
            return "no row has a value"
        shown = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        return f"always {shown!r:.40}"


def read_train(examples: Path, schema: schema_pb2.Schema, max_rows: int, seed: int = 0) -> Sampled:
    """Draw at most `max_rows` rows; EmptyDataset for none, CorruptArtifact and SchemaError as `record_batches`."""
    manifest = ExamplesManifest.read(examples)
    total = manifest.records(TRAIN)
    if not total:
        raise EmptyDataset(f"{examples}: wanted rows in the split {TRAIN!r}, got none; widen ingest_examples.window")
    drawn = np.random.default_rng(seed).permutation(total)[:max_rows]
    drawn.sort()
    seen: dict[str, _Seen] = {}
    parts: list[pa.RecordBatch] = []
    spans: list[NDArray[np.int64]] = []
    start = 0
    for span in sorted({shard.span for shard in manifest.of_split(TRAIN, None)}):
        for batch in record_batches(examples, TRAIN, schema, _BATCH_ROWS, span=span):
            for name, column in zip(batch.schema.names, batch.columns, strict=True):
                seen.setdefault(name, _Seen()).add(column)
            rows = drawn[(drawn >= start) & (drawn < start + batch.num_rows)] - start
            start += batch.num_rows
            parts.append(batch.take(pa.array(rows)))
            spans.append(np.full(len(rows), span, np.int64))
    table = pa.Table.from_batches(parts).combine_chunks()
    constants = {name: one.value for name, one in seen.items() if not one.varies}
    return Sampled(table.to_batches()[0], np.concatenate(spans), constants)
