"""Reads and writes a folder of statistics."""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from google.protobuf.message import DecodeError
from tensorflow_metadata.proto.v0 import statistics_pb2

from artifacts.statistics.names import FILE, is_split
from core.errors import CorruptArtifact

Statistics: TypeAlias = statistics_pb2.DatasetFeatureStatisticsList


def write(folder: Path | str, found: Mapping[str, Statistics]) -> dict[str, Path]:
    """Write statistics by the name of what they describe; returns the files by the same names."""
    written = {}
    for name, statistics in found.items():
        path = Path(folder) / name / FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(statistics.SerializeToString(deterministic=True))
        written[name] = path
    return written


def read(folder: Path | str) -> dict[str, Statistics]:
    """Read all statistics of a folder by name, spans in the order of their numbers.

    Raises CorruptArtifact for a file that holds something else, and for a folder that describes no split.
    """
    paths = sorted(Path(folder).glob(f"*/{FILE}"), key=lambda path: (len(path.parent.name), path.parent.name))
    found = {path.parent.name: _parsed(path) for path in paths}
    if not any(is_split(name) for name in found):
        raise CorruptArtifact(
            f"{folder}: wanted statistics of at least one split, got none; run compute_statistics again"
        )
    return found


def _parsed(path: Path) -> Statistics:
    try:
        return statistics_pb2.DatasetFeatureStatisticsList.FromString(path.read_bytes())
    except DecodeError as error:
        raise CorruptArtifact(
            f"{path}: wanted statistics, got something else: {error}; run compute_statistics again"
        ) from error
