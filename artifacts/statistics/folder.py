"""Reads and writes a folder of statistics."""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from google.protobuf.message import DecodeError
from tensorflow_metadata.proto.v0 import statistics_pb2

from artifacts.statistics.names import DERIVED_FILE, FILE, is_split
from core.errors import CorruptArtifact

Statistics: TypeAlias = statistics_pb2.DatasetFeatureStatisticsList


def write(folder: Path | str, found: Mapping[str, Statistics], file: str = FILE) -> dict[str, Path]:
    """Write statistics by the name of what they describe; returns the files by the same names."""
    written = {}
    for name, statistics in found.items():
        path = Path(folder) / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(statistics.SerializeToString(deterministic=True))
        written[name] = path
    return written


def read(folder: Path | str) -> dict[str, Statistics]:
    """Read all statistics of a folder by name, spans in the order of their numbers.

    Raises CorruptArtifact for a file that holds something else, and for a folder that describes no split.
    """
    found = _parsed_files(folder, FILE)
    if not any(is_split(name) for name in found):
        raise CorruptArtifact(
            f"{folder}: wanted statistics of at least one split, got none; run compute_statistics again"
        )
    return found


def read_derived(folder: Path | str) -> dict[str, Statistics]:
    """Read the statistics of what is derived from texts and images, by name; empty where there are none."""
    return _parsed_files(folder, DERIVED_FILE)


def _parsed_files(folder: Path | str, file: str) -> dict[str, Statistics]:
    paths = sorted(Path(folder).glob(f"*/{file}"), key=lambda path: (len(path.parent.name), path.parent.name))
    return {path.parent.name: _parsed(path) for path in paths}


def _parsed(path: Path) -> Statistics:
    try:
        return statistics_pb2.DatasetFeatureStatisticsList.FromString(path.read_bytes())
    except DecodeError as error:
        raise CorruptArtifact(
            f"{path}: wanted statistics, got something else: {error}; run compute_statistics again"
        ) from error
