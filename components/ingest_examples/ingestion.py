"""Reads one part of a window and writes it as shards; what the step and workers of Beam share."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow_hotfix  # noqa: F401
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from artifacts.examples.encoder import encode
from artifacts.examples.manifest import Shard
from artifacts.examples.writer import Block, Shares, SpanWriter
from artifacts.spans.read_options import ReadOptions
from artifacts.spans.readers import reader
from artifacts.spans.rejects import Rejects
from components.ingest_examples.assignment import Assignment, Groups, Rows, SplitKey, values_of
from components.ingest_examples.parts import Part


@dataclass(frozen=True)
class Ingestion:
    """How the parts of a window are read and split."""

    format: str
    options: ReadOptions
    key: SplitKey
    shares: dict[int, Shares]
    """By span."""
    stratify_by: tuple[str, ...]
    max_rejects: int

    def write(self, part: Part, folder: Path, assignment: Assignment, rejects: Rejects) -> list[Shard]:
        """Write a part's shards below a folder; raises DataError, with file and line, for invalid content."""
        shares = self.shares[part.span]
        with SpanWriter(folder, part.span, shares, part.place) as writer:
            for rows in self._rows(part, rejects):
                split = assignment(self.key.hashes(rows), shares) if len(shares) > 1 else None
                writer.write(_block(rows, split))
            return writer.finish()

    def groups(self, part: Part, rejects: Rejects) -> Groups:
        """Return the groups of a part's rows, for a stratified assignment."""
        parts = (
            Groups.of(self.key.hashes(rows), values_of(rows, self.stratify_by)) for rows in self._rows(part, rejects)
        )
        return Groups.joined(parts)

    def is_divided(self, part: Part) -> bool:
        """Whether the rows of a part go to several splits."""
        return len(self.shares[part.span]) > 1

    def _rows(self, part: Part, rejects: Rejects) -> Iterator[Rows]:
        read = reader(self.format)
        for file in part.files:
            yield from (rows for rows in read(file, self.options, rejects) if len(rows))


def _block(rows: Rows, split: npt.NDArray[np.intp] | None) -> Block:
    """Encode columns as examples; columns without lists are kept as columns, too."""
    if not isinstance(rows, pa.RecordBatch):
        return Block(rows, None, split)
    has_lists = any(pa.types.is_list(kind) for kind in rows.schema.types)
    return Block(encode(rows), None if has_lists else rows, split)
