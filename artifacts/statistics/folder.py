"""Reads and writes a folder of statistics."""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from google.protobuf.message import DecodeError
from tensorflow_metadata.proto.v0 import statistics_pb2

from artifacts.statistics.names import DERIVED_FILE, FILE, is_split
from core.errors import CorruptArtifact

Statistics: TypeAlias = statistics_pb2.DatasetFeatureStatisticsList


def write(folder: Path | str, datasets: Mapping[str, Statistics], file: str = FILE) -> dict[str, Path]:
    """Write statistics, given by the name of their dataset; returns the files by the same names."""
    paths = {}
    for name, statistics in datasets.items():
        path = Path(folder) / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(statistics.SerializeToString(deterministic=True))
        paths[name] = path
    return paths


def read(folder: Path | str) -> dict[str, Statistics]:
    """Read all statistics of a folder by the name of their dataset, spans in order.

    Raises CorruptArtifact for an invalid file, and for a folder without statistics of a split.
    """
    found = _parsed_files(folder, FILE)
    if not any(is_split(name) for name in found):
        raise CorruptArtifact(
            f"{folder}: wanted statistics of at least one split, got none; run compute_statistics again"
        )
    return found


def read_derived(folder: Path | str) -> dict[str, Statistics]:
    """Read the statistics of derived features, by the name of their dataset; empty when there are none."""
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
