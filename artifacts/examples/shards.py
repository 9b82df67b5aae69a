"""Verifies the files of a split against the manifest before anything reads them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from artifacts.examples import tfrecord
from artifacts.examples.manifest import Columns, ExamplesManifest, Shard
from artifacts.examples.names import split_glob
from core import digest
from core.errors import CorruptArtifact, NoSuchObject
from core.object_stores import locations
from core.object_stores.locations import Location


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


@contextmanager
def records(folder: Location, shard: Shard) -> Iterator[Path]:
    """Give a shard's file, or a copy of it from an object store, after verifying it; raises as `verified` does."""
    place = locations.located(folder)
    if not isinstance(place, str):
        yield verified(place, shard)
        return
    with _downloaded(locations.join(place, shard.name), shard.sha256) as path:
        yield path


@contextmanager
def columns(folder: Location, shard: Shard) -> Iterator[Path]:
    """Give the file of a shard's columns, which it has, as `records` gives that of its records."""
    assert shard.columns is not None
    place = locations.located(folder)
    if not isinstance(place, str):
        verified(place, shard)
        yield verified_columns(place, shard.columns)
        return
    with _downloaded(locations.join(place, shard.columns.name), shard.columns.sha256) as path:
        yield path


@contextmanager
def _downloaded(address: Location, wanted: str) -> Iterator[Path]:
    try:
        with locations.on_disk(address) as path:
            got = digest.of_file(path)
            if got != wanted:
                raise CorruptArtifact(f"{address}: wanted {wanted}, got {got}; run ingest_examples again")
            yield path
    except NoSuchObject as error:
        raise CorruptArtifact(f"{address}: wanted a shard, got no object; run ingest_examples again") from error


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
