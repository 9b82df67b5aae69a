"""Reads a window of spans and writes it as splits of examples, batch by batch, with the manifest last."""

from collections.abc import Hashable, Mapping
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import pyarrow_hotfix  # noqa: F401

from artifacts.examples.manifest import ExamplesManifest, Shard
from artifacts.examples.names import EVAL, REJECTS, TRAIN, UNLABELED, VALIDATION
from artifacts.examples.writer import Shares
from artifacts.labels.row_key import RowKey
from artifacts.schema.schema_file import read_schema
from artifacts.spans.feature_types import FeatureType, feature_types
from artifacts.spans.files import SpanWindow, resolve, stamp, window_digest
from artifacts.spans.pattern import label, labels
from artifacts.spans.read_options import ReadOptions
from artifacts.spans.rejects import Rejects
from artifacts.spans.timestamps import Timestamp
from components.ingest_examples.assignment import Assignment, SplitKey, Stratified, by_hash
from components.ingest_examples.config import Config
from components.ingest_examples.ingestion import Ingestion
from components.ingest_examples.parts import Part, divide
from core import user_code
from core.beam.choice import choose
from core.errors import DataError, EmptyDataset
from core.object_stores import locations
from core.object_stores.locations import Location


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
    folder = locations.located(examples)
    if isinstance(folder, Path):
        folder.mkdir(parents=True, exist_ok=True)
    curated = read_schema(user_code.resolve(schema))
    options = read_options(config, feature_types(curated))
    key = SplitKey(RowKey.of(curated, config.key), config.split.group_by or ())
    spanless = config.split.by == "none"
    window = resolve(source.pattern, source.span, config.spans, config.gaps, spanless=spanless)
    _check_window(config, window)
    ingestion = Ingestion(
        format=config.format,
        options=options,
        key=key,
        shares={span: _shares(config, span == window.spans[-1]) for span in window.spans},
        stratify_by=config.split.stratify_by or (),
        max_rejects=config.max_rejects,
    )
    stamps = _stamps(window)
    runner = choose(config.beam, sum(locations.size(file.path) for file in window.files)).runner
    parts = divide(window, config.format, config.part_bytes)
    if runner is None:
        data = _pinned(window, source.data, window_digest(window))
        shards, rejected = _in_process(ingestion, parts, folder)
    else:
        from components.ingest_examples.with_beam import ingest_with_beam  # noqa: PLC0415 - Beam takes seconds

        shards, rejected, found = ingest_with_beam(runner, ingestion, window, parts, folder)
        data = _pinned(window, source.data, found)
    if _stamps(window) != stamps:
        raise DataError(
            f"{source.pattern}: the files changed while they were read; run again when the source is complete"
        )
    _check_splits(ingestion.shares, shards)
    manifest = ExamplesManifest(
        source=source.pattern,
        data=data,
        spans=window.spans,
        wanted_spans=config.spans,
        split_by=config.split.by,
        rejected=rejected,
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


def _pinned(window: SpanWindow, pinned: str, data: str) -> str:
    """Return the digest of the window's files; DataError when the run is pinned to another digest."""
    if pinned and data != pinned:
        raise DataError(
            f"{window.pattern}: the run is pinned to data {pinned}, but spans {labels(window.pattern, window.spans)} "
            f"are {data}; start a new run"
        )
    return data


def _stamps(window: SpanWindow) -> list[Hashable]:
    """Return a stamp of each file, which changes when the file is written."""
    return [stamp(file.path) for file in window.files]


def _in_process(ingestion: Ingestion, parts: list[Part], folder: Location) -> tuple[list[Shard], int]:
    """Write all parts one after the other; return their shards, and the number of rejected rows."""
    if isinstance(folder, Path):
        return _write_parts(ingestion, parts, folder)
    with locations.scratch(folder) as local:
        found = _write_parts(ingestion, parts, local)
        for name in locations.files(local):
            locations.publish(local / name, locations.join(folder, name))
    return found


def _write_parts(ingestion: Ingestion, parts: list[Part], folder: Path) -> tuple[list[Shard], int]:
    rejects = Rejects(ingestion.max_rejects, folder / REJECTS)
    rejects.path.unlink(missing_ok=True)
    assignment: Assignment = by_hash
    if ingestion.stratify_by:
        first = Rejects(ingestion.max_rejects, rejects.path)
        divided = [part for part in parts if ingestion.is_divided(part)]
        groups = [ingestion.groups(part, first) for part in divided]
        assignment = Stratified(groups, ingestion.shares[divided[0].span])
        rejects.path.unlink(missing_ok=True)  # the second time lists them again
    shards: list[Shard] = []
    for part in parts:
        shards += ingestion.write(part, folder, assignment, rejects)
    return shards, rejects.count


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
