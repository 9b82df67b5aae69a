"""A split gives the same rows from its shards' columns as from their records, in blocks and in a sample."""

import re
from pathlib import Path

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from artifacts.examples.encoder import encode
from artifacts.examples.manifest import ExamplesManifest
from artifacts.examples.writer import Block, SpanWriter
from artifacts.predictions.split import Splits
from core.errors import CorruptArtifact

SCHEMA = text_format.Parse(
    "".join(
        f'feature {{ name: "{name}" type: {kind} }}'
        for name, kind in (("late", "INT"), ("carrier", "BYTES"), ("wind", "FLOAT"), ("never", "FLOAT"))
    ),
    schema_pb2.Schema(),
)


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Splits, Splits]:
    """The same examples twice: with their columns, and with records alone."""
    folder = tmp_path_factory.mktemp("examples")
    random = np.random.default_rng(0)
    shards = []
    for span, sizes in enumerate(((700, 1, 399), (50,)), start=1):
        with SpanWriter(folder, span, [("train", 1.0)]) as writer:
            for size in sizes:
                batch = pa.RecordBatch.from_pydict(
                    {
                        "late": random.integers(0, 2, size),
                        "carrier": pa.array(random.choice([b"AA", b"DL"], size), pa.binary()),
                        "wind": pa.array(random.random(size).astype("f4"), mask=random.random(size) < 0.2),
                    }
                )
                writer.write(Block(encode(batch), batch))
            shards += writer.finish()
    assert all(shard.columns for shard in shards)
    facts = {"source": "test", "data": "", "spans": (1, 2), "wanted_spans": 2, "split_by": "hash", "rejected": 0}
    ExamplesManifest(shards=tuple(shards), **facts).write(folder)
    alone = tmp_path_factory.mktemp("records")
    (alone / "Split-train").symlink_to(folder / "Split-train")
    records = tuple(shard.model_copy(update={"columns": None}) for shard in shards)
    ExamplesManifest(shards=records, **facts).write(alone)
    return Splits(folder, SCHEMA), Splits(alone, SCHEMA)


@pytest.mark.parametrize("size", [1, 64, 700, 5000])
def test_blocks_are_the_same(splits: tuple[Splits, Splits], size: int) -> None:
    blocks = [list(one.blocks("train", size)) for one in splits]
    assert [len(block.serialized) for block in blocks[0]] == [len(block.serialized) for block in blocks[1]]
    for ours, theirs in zip(*blocks, strict=True):
        assert (ours.serialized.numpy() == theirs.serialized.numpy()).all()
        assert ours.batch.equals(theirs.batch)


@pytest.mark.parametrize("size", [1, 300, 5000])
def test_a_sample_is_the_same(splits: tuple[Splits, Splits], size: int) -> None:
    sample = splits[1].sample("train", size, seed=3).batch
    assert sample.num_rows == min(size, 1150)
    for one in splits:
        assert one.sample_columns("train", size, seed=3).batch.equals(sample)
        assert one.sample("train", size, seed=3).batch.equals(sample)


def test_columns_of_other_rows_than_the_records_are_named(splits: tuple[Splits, Splits], tmp_path: Path) -> None:
    first, second = ExamplesManifest.read(splits[0].folder).of_split("train")
    mixed = Splits(splits[0].folder, SCHEMA)
    said = f"{first.name}: wanted as many records as its columns have rows, {second.records}, got {first.records};"
    with pytest.raises(CorruptArtifact, match=re.escape(said)):
        list(mixed.shard_blocks(first.model_copy(update={"columns": second.columns}), 64))
