"""Draws the background rows of a model from the rows that it was trained on."""

from pathlib import Path

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from tensorflow_metadata.proto.v0 import schema_pb2

from artifacts.examples.batches import shard_batches
from artifacts.examples.manifest import ExamplesManifest
from artifacts.examples.names import TRAIN
from artifacts.model.features import Features
from artifacts.model.names import BACKGROUND_ROWS
from artifacts.model.rows import Row, write_rows
from artifacts.model.sampled_rows import sample_rows
from core.object_stores import locations

ROWS = 32
_LISTED = 10_000_000


def draw_background(
    examples: Path | str, schema: schema_pb2.Schema, features: Features, seed: int = 0
) -> tuple[Row, ...]:
    """Draw rows of the train split at random, without label and weight; those with NaN or infinity are left out.

    Raises CorruptArtifact, SchemaError and EmptyDataset as `record_batches`.
    """
    shards = ExamplesManifest.read(examples).of_split(TRAIN)
    total = sum(shard.records for shard in shards)
    drawn = _drawn(total, seed)
    parts: list[pa.RecordBatch] = []
    start = 0
    for shard in shards:
        end = start + shard.records
        if not parts or ((drawn >= start) & (drawn < end)).any():  # the first for the columns, where none is drawn
            for batch in shard_batches(locations.located(examples), shard, schema, 8192):
                inside = drawn[(drawn >= start) & (drawn < start + batch.num_rows)] - start
                start += batch.num_rows
                parts.append(batch.take(pa.array(inside)))
        start = end
    excluded = {feature.name for feature in schema.feature} - set(features.by_name)
    batch = pa.Table.from_batches(parts).combine_chunks().to_batches()[0]
    return sample_rows(batch, excluded, 2 * ROWS).rows


def _drawn(total: int, seed: int) -> NDArray[np.int64]:
    """Draw places of rows; without a list of all of them where that would take more than 80 MB."""
    random = np.random.default_rng(seed)
    few = total <= _LISTED
    return np.sort(random.permutation(total)[:ROWS] if few else random.choice(total, ROWS, replace=False))


def write_background(saved_model: Path, features: Features, examples: Path | str, schema: schema_pb2.Schema) -> None:
    """Write the background rows of an exported model; raises as `draw_background`."""
    rows = draw_background(examples, schema, features)
    if rows:
        write_rows(saved_model / BACKGROUND_ROWS, rows)
