"""The files of a split, each verified against the manifest before anything reads it."""

from pathlib import Path

from artifacts.examples import tfrecord
from artifacts.examples.manifest import Columns, ExamplesManifest, Shard
from artifacts.examples.names import split_glob
from core import digest
from core.errors import CorruptArtifact


def shards(folder: Path | str, split: str, span: int | None = None) -> list[Path]:
    """Return the files of a split after verifying them; CorruptArtifact names the one that is not what was written."""
    return [verified(Path(folder), shard) for shard in ExamplesManifest.read(folder).of_split(split, span)]


def file_pattern(folder: Path | str, split: str) -> str:
    """Return the pattern that finds a split's files, for readers that take one; the files are verified first."""
    shards(folder, split)
    return str(Path(folder) / split_glob(split))


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


def verified_columns(folder: Path, columns: Columns) -> Path:
    """Return the path of a shard's columns after comparing their digest with the manifest."""
    path = folder / columns.name
    got = digest.of_file(path) if path.is_file() else "no file"
    if got != columns.sha256:
        raise CorruptArtifact(f"{path}: wanted {columns.sha256}, got {got}; run ingest_examples again")
    return path


def _first_fault(path: Path, shard: Shard) -> str:
    """Say where a shard that does not verify goes wrong, as far as its own checksums tell."""
    count = 0
    try:
        with path.open("rb") as stream:
            count = sum(1 for _ in tfrecord.read(stream, path))
    except CorruptArtifact as error:
        return str(error).removeprefix(f"{path}: ")
    return f"it holds {count} sound records of {shard.records}"
