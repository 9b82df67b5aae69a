"""Examples that differ from their manifest are detected before they are used, which TensorFlow alone does not do."""

import gzip
import json
from pathlib import Path

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artifacts.examples import batches, tfrecord
from artifacts.examples.batches import record_batches
from artifacts.examples.manifest import ExamplesManifest
from artifacts.examples.shards import file_pattern, shards
from artifacts.schema.schema_file import read_schema
from artifacts.spans import tfrecord_rows
from artifacts.spans.feature_types import feature_types
from artifacts.spans.files import SourceFile
from artifacts.spans.read_options import ReadOptions
from artifacts.spans.rejects import Rejects
from components.ingest_examples.config import Config
from components.ingest_examples.logic import PinnedSource, ingest
from core.errors import CorruptArtifact, EmptyDataset, SchemaError

SCHEMA = 'feature { name: "n" type: INT } feature { name: "x" type: FLOAT } feature { name: "s" type: BYTES }'
ROWS = 40


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Examples of forty rows, ingested from Parquet."""
    table = pa.table(
        {
            "n": range(ROWS),
            "x": [None if n % 3 else n / 2 for n in range(ROWS)],
            "s": [f"w{n % 5}" for n in range(ROWS)],
        }
    )
    (tmp_path / "span-1").mkdir()
    pq.write_table(table, tmp_path / "span-1" / "rows.parquet")
    (tmp_path / "schema.pbtxt").write_text(SCHEMA)
    config = Config.model_validate(
        {"format": "parquet", "window": 1, "split": {"by": "hash", "validation": 20, "eval": 20}}
    )
    ingest(
        config,
        PinnedSource(str(tmp_path / "span-{SPAN}" / "*.parquet"), 1, ""),
        str(tmp_path / "schema.pbtxt"),
        tmp_path / "examples",
    )
    return tmp_path / "examples"


def test_columns_and_records_have_the_same_values(folder: Path) -> None:
    schema = read_schema(folder.parent / "schema.pbtxt")
    for shard in ExamplesManifest.read(folder).shards:
        for kinds in (None, schema):
            decoded = pa.Table.from_batches(list(batches._decoded(folder / shard.name, kinds, 100)))
            read = pa.Table.from_batches(list(record_batches(folder, shard.split, kinds, 100)))
            read.validate(full=True)
            assert read.equals(decoded.select(read.column_names))
            assert read.num_rows == shard.records


def test_batches_have_at_most_the_size_asked_for(folder: Path) -> None:
    assert max(batch.num_rows for batch in record_batches(folder, "train", None, 7)) == 7


@pytest.mark.known_failure(16)
def test_a_shard_that_is_cut_anywhere_is_corrupt(folder: Path) -> None:
    """Cut at a record's boundary, in a header or body, without gzip's trailer, or empty: none is read as fewer rows."""
    shard = next(shard for shard in ExamplesManifest.read(folder).shards if shard.split == "train")
    path = folder / shard.name
    whole = path.read_bytes()
    plain = gzip.decompress(whole)
    first = 16 + int.from_bytes(plain[:8], "little")
    cuts = {size: whole[:size] for size in range(0, len(whole), 37)} | {-1: whole[:-1], -8: whole[:-8]}
    cuts |= {
        10_000 + size: gzip.compress(plain[:size]) for size in (0, first, first + 5, first + 12, first + 30, 2 * first)
    }
    for content in cuts.values():
        path.write_bytes(content)
        with pytest.raises(CorruptArtifact, match=path.name):
            list(record_batches(folder, "train", None))
        with pytest.raises(CorruptArtifact, match=r"offset|valid records|gzip"):
            shards(folder, "train")


def test_one_flipped_bit_in_records_or_columns_is_found(folder: Path) -> None:
    shard = ExamplesManifest.read(folder).of_split("eval")[0]
    assert shard.columns is not None
    for name in (shard.name, shard.columns.name):
        path = folder / name
        whole = path.read_bytes()
        path.write_bytes(whole[:50] + bytes([whole[50] ^ 1]) + whole[51:])
        with pytest.raises(CorruptArtifact, match=path.name):
            list(record_batches(folder, "eval", None))
        path.write_bytes(whole)


def test_a_folder_without_a_manifest_is_unfinished(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    with pytest.raises(CorruptArtifact, match="unfinished"):
        file_pattern(folder, "train")


@pytest.mark.parametrize("content", ["", "{}", "[1]", json.dumps({"version": 2})])
def test_an_invalid_manifest_is_named(folder: Path, content: str) -> None:
    (folder / "manifest.json").write_text(content)
    with pytest.raises(CorruptArtifact, match=r"manifest\.json"):
        ExamplesManifest.read(folder)


def test_a_split_that_does_not_exist_names_those_that_do(folder: Path) -> None:
    with pytest.raises(EmptyDataset, match="train, validation, eval"):
        shards(folder, "test")


def test_a_feature_of_another_type_than_the_schema_is_named(folder: Path) -> None:
    (folder.parent / "schema.pbtxt").write_text(SCHEMA.replace('"x" type: FLOAT', '"x" type: BYTES'))
    with pytest.raises(SchemaError, match="'x'"):
        list(record_batches(folder, "train", read_schema(folder.parent / "schema.pbtxt")))


def test_a_schema_that_cannot_be_parsed_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "schema.pbtxt").write_text('feature {\n  name: "x"\n  typ: INT\n}\n')
    with pytest.raises(SchemaError, match=r"schema\.pbtxt:3"):
        read_schema(tmp_path / "schema.pbtxt")


def read_source(path: Path, schema: Path) -> int:
    return sum(
        len(block)
        for block in tfrecord_rows.read(
            SourceFile(1, path, path.name),
            ReadOptions(feature_types(read_schema(schema)), batch_rows=16),
            Rejects(0, path),
        )
    )


def test_a_tfrecord_source_is_read_gzipped_or_not(folder: Path, tmp_path: Path) -> None:
    shard = shards(folder, "train")[0]
    plain = tmp_path / "rows.tfrecord"
    plain.write_bytes(gzip.decompress(shard.read_bytes()))
    records = ExamplesManifest.read(folder).records("train")
    assert read_source(shard, tmp_path / "schema.pbtxt") == read_source(plain, tmp_path / "schema.pbtxt") == records


def test_a_damaged_tfrecord_source_names_path_and_offset(folder: Path, tmp_path: Path) -> None:
    plain = gzip.decompress(shards(folder, "train")[0].read_bytes())
    first = 16 + int.from_bytes(plain[:8], "little")
    broken = {
        "cut in a header": plain[: first + 5],
        "cut in a body": plain[: first + 20],
        "cut before the footer": plain[: 2 * first - 2],
        "a flipped bit in a body": plain[: first + 20] + bytes([plain[first + 20] ^ 1]) + plain[first + 21 :],
        "a flipped bit in a length": plain[:first] + bytes([plain[first] ^ 1]) + plain[first + 1 :],
        "a CSV file": b"n,x,s\n1,2.5,word\n",
        "not an example": b"".join(frame(b"\xff\xff\xff")),
        "gzip that is cut": gzip.compress(plain)[:-20],
        "gzip that is none": b"\x1f\x8b" + plain,
    }
    for content in broken.values():
        (tmp_path / "rows.tfrecord").write_bytes(content)
        with pytest.raises(CorruptArtifact, match=r"rows\.tfrecord: offset \d+: "):
            read_source(tmp_path / "rows.tfrecord", tmp_path / "schema.pbtxt")


def frame(record: bytes) -> tuple[bytes, bytes, bytes]:
    size = len(record).to_bytes(8, "little")
    return (
        tfrecord.HEADER.pack(len(record), tfrecord.masked_crc(size)),
        record,
        tfrecord.FOOTER.pack(tfrecord.masked_crc(record)),
    )


def test_a_record_of_another_type_names_the_feature_and_an_empty_file_is_an_error(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "schema.pbtxt").write_text(SCHEMA.replace('"n" type: INT', '"n" type: FLOAT'))
    with pytest.raises(SchemaError, match=r"record 1: feature 'n': wanted FLOAT, got INT"):
        read_source(shards(folder, "train")[0], tmp_path / "schema.pbtxt")
    (tmp_path / "rows.tfrecord").write_bytes(b"")
    with pytest.raises(EmptyDataset):
        read_source(tmp_path / "rows.tfrecord", tmp_path / "schema.pbtxt")
