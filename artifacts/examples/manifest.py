"""Examples as they travel between stages: a folder per split with gzipped TFRecords of tf.Example, as TFX lays them out.

`manifest.json` says of each shard how many records it holds and what its digest is. It is written last, so a folder without
one is unfinished; and every reader verifies its shards first, because TensorFlow takes a file that was cut short for a
complete one.
"""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from artifacts.examples import tfrecord
from core import digest
from core.errors import CorruptArtifact, EmptyDataset, SchemaError

if TYPE_CHECKING:
    import pyarrow as pa
    from tensorflow_metadata.proto.v0 import schema_pb2

MANIFEST = "manifest.json"


class Columns(BaseModel):
    """The same examples as Arrow columns (see `artifacts.examples.columns`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """Path below the examples folder, such as `columns/Split-train/span-00004.arrow`."""
    sha256: str


class Shard(BaseModel):
    """One file of examples."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """Path below the examples folder, such as `Split-train/span-00004-00000-of-00001.gz`."""
    split: str
    span: int
    records: int
    sha256: str
    columns: Columns | None = None
    """Absent where the rows did not come as plain columns."""


class Manifest(BaseModel):
    """What an examples folder holds and where it came from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    source: str
    """The pattern that the files were found by."""
    data: str
    """Digest of the source files that were read."""
    spans: tuple[int, ...]
    """Spans that were read, oldest first."""
    wanted_spans: int
    """Spans that the window asks for; more than `spans` at the beginning of the data."""
    split_by: str
    rejected: int
    """Rows of the source that were left out, as `rejects.jsonl` lists them."""
    shards: tuple[Shard, ...]

    @classmethod
    def read(cls, folder: Path | str) -> Self:
        """Read the manifest of an examples folder; CorruptArtifact when it is missing or is not one."""
        path = Path(folder) / MANIFEST
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            raise CorruptArtifact(
                f"{path}: wanted the manifest of an examples folder, got none: the folder is unfinished; run ingest_examples again"
            ) from None
        except ValidationError as error:
            raise CorruptArtifact(
                f"{path}: wanted the manifest of an examples folder, got something else: {error.errors()[0]['msg']}"
            ) from error

    def write(self, folder: Path | str) -> None:
        """Write the manifest, whole or not at all."""
        target = Path(folder) / MANIFEST
        staged = target.with_name(f".{MANIFEST}.staging")
        staged.write_text(json.dumps(self.model_dump(mode="json"), indent=2) + "\n", encoding="utf-8")
        staged.replace(target)

    def splits(self) -> tuple[str, ...]:
        """Names of the splits that have shards, in the order they were written."""
        return tuple(dict.fromkeys(shard.split for shard in self.shards))

    def of_split(self, split: str, span: int | None = None) -> tuple[Shard, ...]:
        """Return the shards of a split, of one span where given; EmptyDataset when there is none."""
        found = tuple(shard for shard in self.shards if shard.split == split and span in (None, shard.span))
        if not found:
            where = f"split {split!r}" + (f" of span {span}" if span is not None else "")
            raise EmptyDataset(
                f"wanted examples of {where}, got none; the splits are: {', '.join(self.splits()) or 'none'}"
            )
        return found

    def records(self, split: str, span: int | None = None) -> int:
        """Count the examples of a split, of one span where given."""
        return sum(shard.records for shard in self.shards if shard.split == split and span in (None, shard.span))


def split_folder(split: str) -> str:
    """Name of a split's folder."""
    return f"Split-{split}"


def shards(folder: Path | str, split: str, span: int | None = None) -> list[Path]:
    """Return the files of a split after verifying them; CorruptArtifact names the one that is not what was written."""
    return [verified(Path(folder), shard) for shard in Manifest.read(folder).of_split(split, span)]


def file_pattern(folder: Path | str, split: str) -> str:
    """Return the pattern that finds a split's files, for readers that take one; the files are verified first."""
    shards(folder, split)
    return str(Path(folder) / split_folder(split) / "*.gz")


def verified(folder: Path, shard: Shard) -> Path:
    """Return a shard's path after holding its content against the manifest."""
    path = folder / shard.name
    if not path.is_file():
        raise CorruptArtifact(
            f"{path}: wanted a shard of {shard.records} records, got no file; run ingest_examples again"
        )
    if (got := digest.of_file(path)) != shard.sha256:
        where = _first_fault(path, shard)
        raise CorruptArtifact(f"{path}: wanted {shard.sha256}, got {got}; {where}; run ingest_examples again")
    return path


def _verified_columns(folder: Path, columns: Columns) -> Path:
    path = folder / columns.name
    got = digest.of_file(path) if path.is_file() else "no file"
    if got != columns.sha256:
        raise CorruptArtifact(f"{path}: wanted {columns.sha256}, got {got}; run ingest_examples again")
    return path


def record_batches(
    folder: Path | str,
    split: str,
    schema: "schema_pb2.Schema | None",
    batch_size: int = 8192,
    span: int | None = None,
) -> "Iterator[pa.RecordBatch]":
    """Yield the examples of a split as Arrow record batches of at most `batch_size` rows, every feature a list.

    With a schema, the batches have its features alone, in its order and types; without one, those that the records have.
    Columns are read where the shard has them, else its records are decoded; the values are the same.
    Raises CorruptArtifact for files that are not what was written, SchemaError for a feature of another type.
    """
    from artifacts.examples import columns  # noqa: PLC0415 - Arrow takes half a second to import, and a manifest is read without it

    folder = Path(folder)
    for shard in Manifest.read(folder).of_split(split, span):
        path = verified(folder, shard)
        if shard.columns is None:
            batches = _decoded(path, schema, batch_size)
        else:
            batches = columns.read(
                _verified_columns(folder, shard.columns), None if schema is None else _arrow_types(schema), batch_size
            )
        seen = 0
        for batch in batches:
            seen += batch.num_rows
            yield batch
        if seen != shard.records:
            raise CorruptArtifact(f"{path}: wanted {shard.records} records, got {seen}; run ingest_examples again")


def read_schema(path: Path | str) -> "schema_pb2.Schema":
    """Read a schema in text form; SchemaError names the line that cannot be parsed."""
    from google.protobuf import text_format  # noqa: PLC0415
    from tensorflow_metadata.proto.v0 import schema_pb2  # noqa: PLC0415

    try:
        return text_format.Parse(Path(path).read_text(encoding="utf-8"), schema_pb2.Schema())
    except (OSError, UnicodeDecodeError) as error:
        raise SchemaError(f"{path}: wanted a schema in text form, got {error}") from error
    except text_format.ParseError as error:
        raise SchemaError(f"{path}:{error.GetLine() or 0}: wanted a schema in text form, got {error}") from error


def _decoder(schema: "schema_pb2.Schema | None") -> Any:
    from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder  # noqa: PLC0415

    return ExamplesToRecordBatchDecoder(None if schema is None else schema.SerializeToString())


def _arrow_types(schema: "schema_pb2.Schema") -> "dict[str, pa.DataType]":
    """Arrow types of a schema's features, in its order."""
    return {field.name: field.type for field in _decoder(schema).ArrowSchema()}


def _decoded(path: Path, schema: "schema_pb2.Schema | None", batch_size: int) -> "Iterator[pa.RecordBatch]":
    decoder = _decoder(schema)
    records = tfrecord.read_trusted(tfrecord.inflate(path))
    while block := list(islice(records, batch_size)):
        try:
            yield decoder.DecodeBatch(block)
        except (RuntimeError, ValueError) as error:
            raise SchemaError(
                f"{path}: wanted features of the schema's types, got {error}; correct the source, or the type in the schema"
            ) from error


def _first_fault(path: Path, shard: Shard) -> str:
    """Say where a shard that does not verify goes wrong, as far as its own checksums tell."""
    count = 0
    try:
        with path.open("rb") as stream:
            count = sum(1 for _ in tfrecord.read(stream, path))
    except CorruptArtifact as error:
        return str(error).removeprefix(f"{path}: ")
    return f"it holds {count} sound records of {shard.records}"
