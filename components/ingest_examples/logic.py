"""Reads a window of spans and writes it as splits of examples, batch by batch, with the manifest last."""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import pyarrow_hotfix  # noqa: F401
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from artifacts.examples.encoder import encode
from artifacts.examples.manifest import ExamplesManifest, Shard
from artifacts.examples.names import EVAL, REJECTS, TRAIN, UNLABELED, VALIDATION
from artifacts.examples.writer import Block, Shares, SpanWriter
from artifacts.labels.row_key import RowKey
from artifacts.schema.schema_file import read_schema
from artifacts.spans.feature_types import FeatureType, feature_types
from artifacts.spans.files import SpanWindow, resolve, stamp, window_digest
from artifacts.spans.pattern import label, labels
from artifacts.spans.read_options import ReadOptions
from artifacts.spans.readers import reader
from artifacts.spans.rejects import Rejects
from artifacts.spans.timestamps import Timestamp
from components.ingest_examples.assignment import Assignment, Rows, SplitKey, Stratified, by_hash, values_of
from components.ingest_examples.config import Config
from core import user_code
from core.errors import DataError, EmptyDataset


class PinnedSource(NamedTuple):
    """The data of a run: a pattern, the newest span, and the digest of the window."""

    pattern: str
    span: int
    data: str
    """Empty when any content is accepted."""


def ingest(config: Config, source: PinnedSource, schema: str, examples: Path | str) -> ExamplesManifest:
    """Write the examples of the window that ends with a span; the manifest is written last.

    Raises DataError, with file and line, for invalid source files or files that change, and EmptyDataset for a split
    without rows.
    """
    folder = Path(examples)
    folder.mkdir(parents=True, exist_ok=True)
    curated = read_schema(user_code.resolve(schema))
    options = read_options(config, feature_types(curated))
    key = SplitKey(RowKey.of(curated, config.key), config.split.group_by or ())
    spanless = config.split.by == "none"
    window = resolve(source.pattern, source.span, config.spans, config.gaps, spanless=spanless)
    shares = {span: _shares(config, span == window.spans[-1]) for span in window.spans}
    _check_window(config, window)
    stamps, data = _stamps(window), _pinned(window, source.data)
    rejects = Rejects(config.max_rejects, folder / REJECTS)
    rejects.path.unlink(missing_ok=True)
    shards: list[Shard] = []
    source_rows = _SourceRows(config, window, options)
    splitter = _splitter(source_rows, key, shares, Rejects(config.max_rejects, rejects.path))
    for span in window.spans:
        shards += _write_span(folder, span, shares[span], source_rows.read(span, rejects), splitter)
    if _stamps(window) != stamps:
        raise DataError(
            f"{source.pattern}: the files changed while they were read; run again when the source is complete"
        )
    _check_splits(shares, shards)
    manifest = ExamplesManifest(
        source=source.pattern,
        data=data,
        spans=window.spans,
        wanted_spans=config.spans,
        split_by=config.split.by,
        rejected=rejects.count,
        shards=tuple(shards),
    )
    manifest.write(folder)
    return manifest


def read_options(config: Config, types: Mapping[str, FeatureType]) -> ReadOptions:
    """Return the options for reading a use case's files."""
    return ReadOptions(
        types=types,
        missing=frozenset(config.missing),
        delimiter=config.delimiter,
        leave_out=frozenset(config.leave_out),
        timestamps={name: Timestamp(one.parts, one.format) for name, one in config.timestamps.items()},
        nulls_in_lists=config.nulls_in_lists,
        max_record_bytes=config.max_record_bytes,
        batch_rows=config.batch_rows,
    )


def _shares(config: Config, is_newest: bool) -> Shares:
    """Return the splits of a span and their percentages; train gets the rest."""
    split = config.split
    if split.by == "none":
        return ((UNLABELED, 100.0),)
    if split.by == "time" and is_newest:
        return ((EVAL, 100.0),)
    held_back = [(VALIDATION, split.validation), *split.further.items()]
    if split.by == "hash":
        held_back.append((EVAL, split.eval))
    return ((TRAIN, 100 - sum(percent for _, percent in held_back)), *held_back)


def _check_window(config: Config, window: SpanWindow) -> None:
    if config.split.by == "time" and len(window.spans) < 2:
        raise DataError(
            f"{window.pattern}: wanted at least one span before span "
            f"{label(window.pattern, window.spans[-1])} to train on, got none; "
            "choose a later --span, or ingest_examples.split.by: hash"
        )


def _pinned(window: SpanWindow, pinned: str) -> str:
    """Return the digest of the window's files; DataError when the run is pinned to another digest."""
    data = window_digest(window)
    if pinned and data != pinned:
        raise DataError(
            f"{window.pattern}: the run is pinned to data {pinned}, but spans {labels(window.pattern, window.spans)} "
            f"are {data}; start a new run"
        )
    return data


def _stamps(window: SpanWindow) -> list[Hashable]:
    """Return a stamp of each file, which changes when the file is written."""
    return [stamp(file.path) for file in window.files]


class _SourceRows(NamedTuple):
    """The files of a window, and how they are read."""

    config: Config
    window: SpanWindow
    options: ReadOptions

    def read(self, span: int, rejects: Rejects) -> Iterator[Rows]:
        """Yield the rows of a span that has any, file by file."""
        read = reader(self.config.format)
        for file in self.window.files:
            if file.span == span:
                yield from (rows for rows in read(file, self.options, rejects) if len(rows))


class _Splitter(NamedTuple):
    """Finds the split of each row."""

    key: SplitKey
    assignment: Assignment

    def __call__(self, rows: Rows, shares: Shares) -> npt.NDArray[np.intp] | None:
        """Return the place of each row's split among the shares; None where there is one split."""
        return self.assignment(self.key.hashes(rows), shares) if len(shares) > 1 else None


def _splitter(source: _SourceRows, key: SplitKey, shares: dict[int, Shares], rejects: Rejects) -> _Splitter:
    """Return the assignment by hash, or a stratified one, for which the spans with several splits are read once more.

    Those spans have the same shares.
    """
    columns = source.config.split.stratify_by
    if not columns:
        return _Splitter(key, by_hash)
    divided = [span for span in source.window.spans if len(shares[span]) > 1]
    rows = chain.from_iterable(source.read(span, rejects) for span in divided)
    strata = ((key.hashes(one), values_of(one, columns)) for one in rows)
    assignment = Stratified(strata, shares[divided[0]])
    rejects.path.unlink(missing_ok=True)  # the second time lists them again
    return _Splitter(key, assignment)


def _block(rows: Rows, split: npt.NDArray[np.intp] | None) -> Block:
    """Encode columns as examples; columns without lists are kept as columns, too."""
    if not isinstance(rows, pa.RecordBatch):
        return Block(rows, None, split)
    has_lists = any(pa.types.is_list(kind) for kind in rows.schema.types)
    return Block(encode(rows), None if has_lists else rows, split)


def _write_span(folder: Path, span: int, shares: Shares, rows: Iterable[Rows], splitter: _Splitter) -> list[Shard]:
    with SpanWriter(folder, span, shares) as writer:
        for one in rows:
            writer.write(_block(one, splitter(one, shares)))
        return writer.finish()


def _check_splits(shares: dict[int, Shares], shards: list[Shard]) -> None:
    """Raise EmptyDataset for a split without rows, before a later stage fails on it."""
    wanted = dict.fromkeys(split for split, _ in chain.from_iterable(shares.values()))
    got = {shard.split for shard in shards}
    empty = [split for split in wanted if split not in got]
    if empty:
        rows = sum(shard.records for shard in shards)
        raise EmptyDataset(
            f"wanted rows in every split, got none in {', '.join(empty)} of {rows} rows; "
            "raise ingest_examples.window or the split's percentage"
        )
