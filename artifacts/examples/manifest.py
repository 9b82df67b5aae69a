"""The manifest of an examples folder, which has a folder per split with gzipped TFRecords of tf.Example, as in TFX.

`manifest.json` has the number of records and the digest of each shard. It is written last, so a folder without one is
unfinished; every reader verifies its shards first, because TensorFlow reads a file that was cut short without an error.
"""

import json
from contextlib import suppress
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from artifacts.examples.names import MANIFEST
from core import pictures
from core.errors import CorruptArtifact, EmptyDataset
from core.object_stores import locations
from core.object_stores.locations import Location


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
    """None when the rows were not read as plain columns."""


class ExamplesManifest(BaseModel):
    """The contents and the source of an examples folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    source: str
    """The pattern of the source files."""
    data: str
    """Digest of the source files."""
    spans: tuple[int, ...]
    """The spans that were read, oldest first."""
    wanted_spans: int
    """Size of the window; more than the number of `spans` at the beginning of the data."""
    split_by: str
    rejected: int
    """Number of invalid source rows that were left out and are listed in `rejects.jsonl`."""
    shards: tuple[Shard, ...]

    @classmethod
    def read(cls, folder: Location) -> Self:
        """Read the manifest of an examples folder; CorruptArtifact when it is missing or invalid."""
        path = locations.join(locations.located(folder), MANIFEST)
        try:
            return cls.model_validate_json(locations.read(path))
        except FileNotFoundError:
            raise CorruptArtifact(
                f"{path}: wanted the manifest of an examples folder, got none: the folder is unfinished; "
                "run ingest_examples again"
            ) from None
        except ValidationError as error:
            raise CorruptArtifact(
                f"{path}: wanted the manifest of an examples folder, got something else: {error.errors()[0]['msg']}"
            ) from error

    def write(self, folder: Location) -> None:
        """Write the manifest atomically."""
        content = json.dumps(self.model_dump(mode="json"), indent=2) + "\n"
        locations.write(locations.join(locations.located(folder), MANIFEST), content.encode())

    def splits(self) -> tuple[str, ...]:
        """Return the names of the splits that have shards, in the order in which they were written."""
        return tuple(dict.fromkeys(shard.split for shard in self.shards))

    def of_split(self, split: str, span: int | None = None) -> tuple[Shard, ...]:
        """Return the shards of a split, or of one of its spans; EmptyDataset when there is none."""
        found = tuple(shard for shard in self.shards if shard.split == split and span in (None, shard.span))
        if not found:
            where = f"split {split!r}" + (f" of span {span}" if span is not None else "")
            raise EmptyDataset(
                f"wanted examples of {where}, got none; the splits are: {', '.join(self.splits()) or 'none'}"
            )
        return found

    def records(self, split: str, span: int | None = None) -> int:
        """Return the number of examples of a split, or of one of its spans."""
        return sum(shard.records for shard in self.shards if shard.split == split and span in (None, shard.span))

    def bytes_in(self, folder: Location) -> int:
        """Return the size of the shards' files in a folder, without what it lacks."""
        found = 0
        for shard in self.shards:
            with suppress(FileNotFoundError):
                found += locations.size(locations.join(locations.located(folder), shard.name))
        return found

    def newest_spans(self) -> tuple[int, ...]:
        """Return the newest span and the one before it, oldest first; fewer when the window has fewer."""
        return tuple(sorted(self.spans)[-2:])

    def _repr_html_(self) -> str:
        """What a notebook shows of it: examples by split and span, and where they come from."""
        spans = sorted(self.spans)
        counts: list[list[str | float | None]] = []
        for split in self.splits():
            counts.append([split, *(self.records(split, span) for span in spans), self.records(split)])
        facts = f"{self.source}; split by {self.split_by}; {self.rejected} rows rejected"
        headers = ("examples", *(f"span {span}" for span in spans), "all")
        return pictures.fragment("Examples", pictures.table(headers, counts), pictures.muted(facts))
