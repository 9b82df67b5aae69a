"""Writes the labeled examples: labels and probabilities where functions vote, every other split as it was."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from artifacts.examples.encoder import encode
from artifacts.examples.manifest import Shard
from artifacts.examples.names import TRAIN, place_of
from artifacts.examples.writer import Block, SpanWriter
from artifacts.labels.probabilities import SplitLabels
from components.label_examples.classes import LabelClasses
from components.label_examples.config import Config
from components.label_examples.reading import Source
from core.errors import EmptyDataset
from problems.labeling.augmentation import TransformationFunction, augment
from problems.labeling.slicing import Slice
from problems.labeling.votes import Probabilities

Keys = Callable[[pa.RecordBatch], Sequence[str]]


@dataclass(frozen=True)
class Row:
    """What becomes of the rows of one split: their probabilities, and which of them are kept."""

    probabilities: Probabilities
    """[rows, classes]"""
    kept: NDArray[np.bool_]
    """[rows]"""


@dataclass
class Writer:
    """Writes the splits of a source to another folder."""

    source: Source
    folder: Path
    config: Config
    classes: LabelClasses
    slices: Sequence[Slice]
    transformations: Sequence[TransformationFunction]
    keys: Keys
    shards: list[Shard] = field(default_factory=list)
    augmented: int = 0

    def unlabeled(self, shard: Shard) -> None:
        """Write a shard with the labels that it has: copied, or with the features of the slices only."""
        if not self.slices:
            for name in (shard.name, *([shard.columns.name] if shard.columns else [])):
                (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(self.source.folder / name, self.folder / name)
            self.shards.append(shard)
            return
        with self._open(shard) as writer:
            for batch in self.source.batches(shard):
                self._write(writer, self._sliced(batch))
            self.shards += writer.finish()

    def labeled(self, split: str, rows: Row) -> SplitLabels:
        """Write a split with its most probable labels, and return its probabilities in the order of the rows."""
        keys: list[str] = []
        parts: list[Probabilities] = []
        start = 0
        for shard in self.source.manifest.of_split(split):
            end = start + shard.records
            part = Row(rows.probabilities[start:end], rows.kept[start:end])
            for row_keys, chosen in self._shard(shard, part, start if split == TRAIN else None):
                keys += row_keys
                parts.append(chosen)
            start = end
        if not keys:
            raise EmptyDataset(
                f"wanted labeled rows in the split {split!r}, got none: no labeling function votes on any of its "
                f"{start} rows"
            )
        probabilities = np.concatenate(parts).astype(np.float32)
        return SplitLabels(keys, probabilities, np.ones(len(keys), np.float32))

    def _shard(self, shard: Shard, rows: Row, first: int | None) -> Iterator[tuple[list[str], Probabilities]]:
        """Write a shard, and yield the keys and probabilities of its rows; `first` is the number of the first one."""
        start = 0
        with self._open(shard) as writer:
            for batch in self.source.batches(shard):
                end = start + batch.num_rows
                part = Row(rows.probabilities[start:end], rows.kept[start:end])
                yield from self._batch(writer, batch, part, None if first is None else first + start)
                start = end
            self.shards += writer.finish()

    def _batch(
        self, writer: SpanWriter, batch: pa.RecordBatch, rows: Row, first: int | None
    ) -> Iterator[tuple[list[str], Probabilities]]:
        """Write the rows that are kept, and their augmented copies unless `first`, the first row's number, is None."""
        own = np.flatnonzero(rows.kept)
        chosen = rows.probabilities[own]
        kept = batch.filter(pa.array(rows.kept))
        keys = list(self.keys(kept)) if kept.num_rows else []
        labeled = self._with_label(self._sliced(kept), chosen)
        self._write(writer, labeled)
        yield keys, chosen
        if first is None or not self.transformations:
            return
        for origins in self._augmented(writer, labeled, first + own):
            yield [keys[origin] for origin in origins], chosen[origins]

    def _augmented(self, writer: SpanWriter, kept: pa.RecordBatch, numbers: NDArray[np.int64]) -> list[list[int]]:
        """Write the augmented copies of rows, and return the positions of their origins."""
        found = []
        visible = self.source.visible(kept)
        for copy in range(self.config.copies):
            made, origins = augment(self.transformations, visible, numbers.tolist(), self.config.seed + copy)
            if not origins:
                continue
            of_origins = kept.filter(pa.array(np.zeros(kept.num_rows, np.bool_)))
            columns = []
            for name in of_origins.schema.names:
                position = made.schema.get_field_index(name)
                own = kept.column(kept.schema.get_field_index(name))
                values = own.take(pa.array(origins)) if position < 0 else made.column(position)
                columns.append(values if values.type == own.type else pc.cast(values, own.type))
            self._write(writer, pa.RecordBatch.from_arrays(columns, of_origins.schema.names))
            self.augmented += len(origins)
            found.append(origins)
        return found

    def _open(self, shard: Shard) -> SpanWriter:
        return SpanWriter(self.folder, shard.span, ((shard.split, 100.0),), place_of(shard.name))

    def _sliced(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Add the features of the slices."""
        visible = self.source.visible(batch)
        columns, names = list(batch.columns), list(batch.schema.names)
        for one in self.slices:
            columns.append(pc.cast(one.flags(visible), pa.binary()))
            names.append(one.name)
        return pa.RecordBatch.from_arrays(columns, names)

    def _with_label(self, batch: pa.RecordBatch, chosen: Probabilities) -> pa.RecordBatch:
        columns = {name: batch.column(index) for index, name in enumerate(batch.schema.names)}
        columns[self.classes.feature] = self.classes.column(chosen.argmax(axis=1))
        return pa.RecordBatch.from_arrays(list(columns.values()), list(columns))

    def _write(self, writer: SpanWriter, batch: pa.RecordBatch) -> None:
        if batch.num_rows:
            has_lists = any(pa.types.is_list(kind) or pa.types.is_large_list(kind) for kind in batch.schema.types)
            writer.write(Block(encode(batch), None if has_lists else batch))
