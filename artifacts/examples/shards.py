"""Verifies the files of a split against the manifest before anything reads them."""

from pathlib import Path

from artifacts.examples import tfrecord
from artifacts.examples.manifest import Columns, ExamplesManifest, Shard
from artifacts.examples.names import split_glob
from core import digest
from core.errors import CorruptArtifact


def shards(folder: Path | str, split: str, span: int | None = None) -> list[Path]:
    """Return the files of a split after verifying them; CorruptArtifact names one that differs from the manifest."""
    return [verified(Path(folder), shard) for shard in ExamplesManifest.read(folder).of_split(split, span)]


def file_pattern(folder: Path | str, split: str) -> str:
    """Return the glob pattern of a split's files after verifying them, for readers that take a pattern."""
    shards(folder, split)
    return str(Path(folder) / split_glob(split))


def verified(folder: Path, shard: Shard) -> Path:
    """Return a shard's path after comparing its digest with the manifest; CorruptArtifact when it differs."""
    path = folder / shard.name
    if not path.is_file():
        raise CorruptArtifact(
            f"{path}: wanted a shard of {shard.records} records, got no file; run ingest_examples again"
        )
    got = digest.of_file(path)
    if got != shard.sha256:
        fault = _first_fault(path, shard)
        raise CorruptArtifact(f"{path}: wanted {shard.sha256}, got {got}; {fault}; run ingest_examples again")
    return path


def verified_columns(folder: Path, columns: Columns) -> Path:
    """Return the path of a shard's columns after comparing their digest; CorruptArtifact when it differs."""
    path = folder / columns.name
    got = digest.of_file(path) if path.is_file() else "no file"
    if got != columns.sha256:
        raise CorruptArtifact(f"{path}: wanted {columns.sha256}, got {got}; run ingest_examples again")
    return path


def _first_fault(path: Path, shard: Shard) -> str:
    """Describe the first fault of a damaged shard that its checksums show."""
    count = 0
    try:
        with path.open("rb") as stream:
            count = sum(1 for _ in tfrecord.read(stream, path))
    except CorruptArtifact as error:
        return str(error).removeprefix(f"{path}: ")
    return f"it has {count} valid records of {shard.records}"
