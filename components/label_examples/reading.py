"""Applies labeling functions to the splits of an examples folder."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from artifacts.examples.manifest import ExamplesManifest, Shard
from artifacts.examples.plain import plain_batches
from components.label_examples.classes import LabelClasses
from core.errors import EmptyDataset
from problems.labeling.apply import Applier
from problems.labeling.rows import text_columns
from problems.labeling.votes import Votes


@dataclass(frozen=True)
class Voted:
    """The votes on a split, in the order of its examples."""

    votes: Votes
    """[rows, functions]"""
    given: NDArray[np.int64]
    """[rows]: the class of the label that a row has, ABSTAIN without one."""


@dataclass(frozen=True)
class Source:
    """An examples folder, and what functions do not see of it."""

    folder: Path
    manifest: ExamplesManifest
    hidden: Collection[str]
    """Label and weight."""
    batch_rows: int

    def batches(self, shard: Shard) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a shard as plain columns."""
        return plain_batches(self.folder, shard, self.batch_rows)

    def visible(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return what functions see: texts as strings, without label and weight."""
        names = [name for name in batch.schema.names if name not in self.hidden]
        return text_columns(
            pa.RecordBatch.from_arrays([batch.column(batch.schema.get_field_index(n)) for n in names], names)
        )


def votes_on(source: Source, split: str, applier: Applier, classes: LabelClasses) -> Voted:
    """Return the votes on a split; EmptyDataset when there is no such split, LabelingError as the functions do."""
    votes, given = [], []
    for shard in source.manifest.of_split(split):
        for batch in source.batches(shard):
            votes.append(applier.votes(source.visible(batch)))
            given.append(classes.given(batch))
    if not votes:
        raise EmptyDataset(f"{source.folder}: wanted rows in the split {split!r}, got none")
    return Voted(np.concatenate(votes), np.concatenate(given))
