"""Divides the files of a window into parts: what one shard per split is made of, whoever reads it.

Small files of a span are read together, and large Parquet files are divided at their row groups; so the shards of a
window depend on its files alone, and not on the engine or its workers.
"""

from collections.abc import Iterator
from typing import NamedTuple

from artifacts.examples.names import Place
from artifacts.spans import parquet_rows
from artifacts.spans.files import SourceFile, SpanWindow
from core.object_stores import locations


class Part(NamedTuple):
    """Files of a span, or some row groups of one."""

    span: int
    place: Place
    files: tuple[SourceFile, ...]

    @property
    def name(self) -> str:
        """A name among the parts of a window."""
        return f"span-{self.span}-{self.place.number:05d}"


def divide(window: SpanWindow, format: str, part_bytes: int) -> list[Part]:
    """Return the parts of a window, in the order of its rows, each of at most so many bytes where files allow it."""
    parts: list[Part] = []
    for span in window.spans:
        of_span = [file for file in window.files if file.span == span]
        groups = list(_groups(of_span, format, part_bytes))
        parts += [Part(span, Place(number, len(groups)), files) for number, files in enumerate(groups)]
    return parts


def _groups(files: list[SourceFile], format: str, part_bytes: int) -> Iterator[tuple[SourceFile, ...]]:
    """Yield files that are read together."""
    pending: list[SourceFile] = []
    taken = 0
    for file in files:
        size = locations.size(file.path)
        if pending and taken + size > part_bytes:
            yield tuple(pending)
            pending, taken = [], 0
        pieces = _pieces(file, part_bytes) if format == "parquet" and size > part_bytes else [file]
        if len(pieces) > 1:
            yield from ((piece,) for piece in pieces)
        else:
            pending.append(file)
            taken += size
    if pending:
        yield tuple(pending)


def _pieces(file: SourceFile, part_bytes: int) -> list[SourceFile]:
    """Divide a Parquet file at its row groups."""
    pieces: list[list[int]] = []
    taken = 0
    for number, size in enumerate(parquet_rows.group_bytes(file)):
        if not pieces or taken + size > part_bytes:
            pieces.append([])
            taken = 0
        pieces[-1].append(number)
        taken += size
    return [SourceFile(file.span, file.path, file.name, tuple(groups)) for groups in pieces]
