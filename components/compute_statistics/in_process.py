"""Describes examples in this process, reading every one once.

A split accumulates batch by batch; the newest spans, which are part of a split as well, accumulate apart and are
merged into it. What is held in memory does not grow with rows or spans.
"""

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from artifacts.examples.batches import record_batches
from artifacts.examples.manifest import ExamplesManifest
from artifacts.statistics.names import of_span, of_split
from components.compute_statistics.combiners import Accumulators, Combiners, copy
from components.compute_statistics.derived import DerivedGroup, DerivedStatistics


class Described(NamedTuple):
    """Statistics by the name of what they describe: of the features, and of what is derived from texts and images."""

    features: dict[str, statistics_pb2.DatasetFeatureStatisticsList]
    derived: dict[str, statistics_pb2.DatasetFeatureStatisticsList]


class _Group(NamedTuple):
    """What was accumulated over some examples; None where it is not asked for."""

    features: Accumulators | None
    derived: DerivedGroup | None


class InProcess:
    """Streams record batches through combiners."""

    def __init__(self, schema: schema_pb2.Schema, batch_rows: int, *, features: bool = True) -> None:
        """Take the schema, and whether the features themselves are described or only what is derived from them."""
        self._batch_rows = batch_rows
        self._combiners = Combiners(schema) if features else None
        self._derived = DerivedStatistics(schema)

    def of_examples(
        self, folder: Path, manifest: ExamplesManifest, described_spans: Collection[int] | None = None
    ) -> Described:
        """Describe each split, and some spans (the newest two when None) over all splits."""
        newest = manifest.newest_spans() if described_spans is None else described_spans
        splits: dict[str, _Group] = {}
        spans: dict[int, _Group] = {}
        if self._combiners is None and not self._derived:
            return Described({}, {})
        for split, span in dict.fromkeys((shard.split, shard.span) for shard in manifest.shards):
            # Without the schema: a column that it does not know must show up, and so must one of another type.
            batches = record_batches(folder, split, None, self._batch_rows, span)
            what = f"split {split} with span {span}"
            if span not in newest:
                splits[split] = self._add(splits.get(split), batches, what)
                continue
            group = self._add(None, batches, what)
            spans[span] = self._merge(spans.get(span), _copied(group), f"span {span}")
            splits[split] = self._merge(splits.get(split), group, what)
        groups = {of_split(split): group for split, group in splits.items()}
        return self._extract(groups | {of_span(manifest.source, span): group for span, group in spans.items()})

    def of_batches(self, name: str, batches: Iterable[pa.RecordBatch], what: str) -> Described:
        """Describe examples that come from elsewhere under a name; `what` says in an error where from."""
        return self._extract({name: self._add(None, batches, what)})

    def _add(self, group: _Group | None, batches: Iterable[pa.RecordBatch], what: str) -> _Group:
        features, derived = group or (
            self._combiners.create() if self._combiners else None,
            self._derived.create() if self._derived else None,
        )
        for batch in batches:
            if self._combiners is not None and features is not None:
                features = self._combiners.add(features, [batch], what)
            if derived is not None:
                self._derived.add(derived, batch, what)
        return _Group(features, derived)

    def _merge(self, group: _Group | None, other: _Group, what: str) -> _Group:
        """Merge two groups, which may change both."""
        if group is None:
            return other
        features, derived = None, None
        if self._combiners is not None and group.features is not None and other.features is not None:
            features = self._combiners.merge(group.features, other.features, what)
        if group.derived is not None and other.derived is not None:
            derived = self._derived.merge(group.derived, other.derived, what)
        return _Group(features, derived)

    def _extract(self, groups: dict[str, _Group]) -> Described:
        found = Described({}, {})
        for name, group in groups.items():
            if self._combiners is not None and group.features is not None:
                found.features[name] = self._combiners.extract(group.features)
            if group.derived is not None:
                found.derived[name] = self._derived.extract(group.derived)
        return found


def _copied(group: _Group) -> _Group:
    features = None if group.features is None else copy(group.features)
    return _Group(features, None if group.derived is None else copy_derived(group.derived))


def copy_derived(group: DerivedGroup) -> DerivedGroup:
    """Copy what was accumulated of texts and images."""
    copied = DerivedGroup(copy(group.numbers), {}, group.examples)
    copied.words = {name: type(words)(words.counts.copy(), words.rows) for name, words in group.words.items()}
    return copied
