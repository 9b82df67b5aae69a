"""Probabilistic labels of examples: per split, in the order of its rows, the probability of each class and a weight.

They lie in the folder `labels/` of the examples that `label_examples` writes: one Arrow file per split with the rows'
keys, and `manifest.json` with the classes and the digests. Training reads them; other examples have plain labels.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Self

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from core import digest, durable
from core.errors import CorruptArtifact
from core.object_stores import locations
from core.object_stores.locations import Location

FOLDER = "labels"
_MANIFEST = "manifest.json"


class SplitLabels(NamedTuple):
    """The probabilistic labels of a split's rows, in the order of its examples."""

    keys: Sequence[str]
    """[rows]: the key of each row; that of its origin for an augmented row."""
    probabilities: NDArray[np.float32]
    """[rows, classes]"""
    weights: NDArray[np.float32]
    """[rows]"""


class _Split(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    sha256: str
    rows: int


class Manifest(BaseModel):
    """The classes, and the file of each split."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = 1
    classes: tuple[str, ...]
    splits: dict[str, _Split]

    @classmethod
    def read(cls, examples: Location) -> Self | None:
        """Read the manifest of an examples folder; None without one, CorruptArtifact when it is invalid."""
        path = locations.join(examples, FOLDER, _MANIFEST)
        try:
            return cls.model_validate_json(locations.read(path))
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise CorruptArtifact(
                f"{path}: wanted labels as label_examples writes them, got {error.errors()[0]['msg']}; run it again"
            ) from error


def write(examples: Path, classes: Sequence[str], splits: Mapping[str, SplitLabels]) -> None:
    """Write the labels of splits; the manifest is written last, atomically."""
    folder = examples / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    entries = {}
    for split, labels in splits.items():
        path = folder / f"{split}.arrow"
        table = pa.table(
            {
                "key": pa.array(labels.keys, pa.string()),
                "weight": pa.array(labels.weights, pa.float32()),
                "probabilities": pa.FixedSizeListArray.from_arrays(
                    pa.array(labels.probabilities.reshape(-1), pa.float32()), len(classes)
                ),
            }
        )
        with pa.OSFile(str(path), "wb") as stream, pa.ipc.new_file(stream, table.schema) as writer:
            writer.write_table(table)
        entries[split] = _Split(name=path.name, sha256=digest.of_file(path), rows=len(labels.keys))
    manifest = Manifest(classes=tuple(classes), splits=entries)
    durable.replace(folder / _MANIFEST, (json.dumps(manifest.model_dump(mode="json"), indent=2) + "\n").encode())


def read(examples: Location, split: str) -> tuple[tuple[str, ...], SplitLabels] | None:
    """Return the classes and the labels of a split; None when it has plain labels.

    Raises CorruptArtifact for a file that differs from the manifest.
    """
    folder = locations.located(examples)
    manifest = Manifest.read(folder)
    if manifest is None or split not in manifest.splits:
        return None
    entry = manifest.splits[split]
    place = locations.join(folder, FOLDER, entry.name)
    with locations.on_disk(place) as path:
        got = digest.of_file(path) if path.is_file() else "no file"
        if got != entry.sha256:
            raise CorruptArtifact(f"{place}: wanted {entry.sha256}, got {got}; run label_examples again")
        with pa.OSFile(str(path)) as stream:
            table = pa.ipc.open_file(stream).read_all().combine_chunks()
    values = table.column("probabilities").combine_chunks().flatten().to_numpy()
    probabilities = values.reshape(-1, len(manifest.classes)) if len(values) else np.zeros((0, len(manifest.classes)))
    weights = table.column("weight").to_numpy()
    return manifest.classes, SplitLabels(table.column("key").to_pylist(), probabilities.astype(np.float32), weights)
