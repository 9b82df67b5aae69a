"""Computes statistics in this process, reading every example once.

A split is accumulated batch by batch; the newest spans, which are also part of a split, are accumulated separately and
merged into it. Memory does not grow with the number of rows or spans.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from artifacts.examples.batches import record_batches
from artifacts.examples.manifest import ExamplesManifest, Shard
from artifacts.statistics.combiners import Accumulators, Combiners, copy
from artifacts.statistics.names import of_span, of_split
from components.compute_statistics.derived import DerivedGroup, DerivedStatistics, Words
from core.object_stores.locations import Location


class ComputedStatistics(NamedTuple):
    """Statistics by the name of the dataset: of the features, and of those derived from texts and images."""

    features: dict[str, statistics_pb2.DatasetFeatureStatisticsList]
    derived: dict[str, statistics_pb2.DatasetFeatureStatisticsList]


class Group(NamedTuple):
    """Accumulators of features and of derived features; None when there are no derived features."""

    features: Accumulators
    derived: DerivedGroup | None


Key = tuple[str, int | None]
"""A split, and the span of its rows where that is described too; None for all other spans together."""


def key_of(shard: Shard, described_spans: Collection[int]) -> Key:
    """Return the group that the rows of a shard belong to."""
    return shard.split, shard.span if shard.span in described_spans else None


class InProcess:
    """Computes statistics of record batches."""

    def __init__(self, schema: schema_pb2.Schema, batch_rows: int) -> None:
        """Create the accumulators."""
        self._batch_rows = batch_rows
        self._combiners = Combiners(schema)
        self._derived = DerivedStatistics(schema)

    def of_examples(
        self, folder: Location, manifest: ExamplesManifest, described_spans: Collection[int] | None = None
    ) -> ComputedStatistics:
        """Compute the statistics of each split, and of some spans (the newest two when None) over all splits.

        Raises CorruptArtifact for examples that differ from their manifest, SchemaError when a feature's type changes.
        """
        selected_spans = manifest.newest_spans() if described_spans is None else described_spans
        splits: dict[str, Group] = {}
        spans: dict[int, Group] = {}
        for split, span in dict.fromkeys((shard.split, shard.span) for shard in manifest.shards):
            # Read without the schema, so that unknown columns and other types are found.
            batches = record_batches(folder, split, None, self._batch_rows, span)
            what = f"split {split} with span {span}"
            if span not in selected_spans:
                splits[split] = self.add(splits.get(split), batches, what)
                continue
            group = self.add(None, batches, what)
            spans[span] = self.merge(spans.get(span), _copied(group), f"span {span}")
            splits[split] = self.merge(splits.get(split), group, what)
        return self._extract(_datasets(manifest.source, splits, spans))

    def of_group(self, name: str, group: Group | None) -> ComputedStatistics:
        """Compute the statistics of one group under a name; None is one without examples."""
        return self._extract({name: group or self.create()})

    def of_batches(self, name: str, batches: Iterable[pa.RecordBatch], what: str) -> ComputedStatistics:
        """Compute the statistics of other examples, under a name; `what` is their source in errors."""
        return self._extract({name: self.add(None, batches, what)})

    def create(self) -> Group:
        """Return a group without examples."""
        return Group(self._combiners.create(), self._derived.create() if self._derived else None)

    def add(self, group: Group | None, batches: Iterable[pa.RecordBatch], what: str) -> Group:
        """Add batches to a group, a new one when None; `what` is their source in errors."""
        if group is None:
            group = self.create()
        features, derived = group
        for batch in batches:
            features = self._combiners.add(features, [batch], what)
            if derived is not None:
                self._derived.add(derived, batch, what)
        return Group(features, derived)

    def merge(self, group: Group | None, other: Group, what: str) -> Group:
        """Merge two groups, modifying both."""
        if group is None:
            return other
        features, derived = self._combiners.merge(group.features, other.features, what), None
        if group.derived is not None and other.derived is not None:
            derived = self._derived.merge(group.derived, other.derived, what)
        return Group(features, derived)

    def _extract(self, groups: dict[str, Group]) -> ComputedStatistics:
        computed = ComputedStatistics({}, {})
        for name, group in groups.items():
            computed.features[name] = self._combiners.extract(group.features)
            if group.derived is not None:
                computed.derived[name] = self._derived.extract(group.derived)
        return computed


def _datasets(source: str, splits: Mapping[str, Group], spans: Mapping[int, Group]) -> dict[str, Group]:
    """Return the groups by the names of their datasets."""
    found = {of_split(split): group for split, group in splits.items()}
    return found | {of_span(source, span): group for span, group in spans.items()}


def _copied(group: Group) -> Group:
    return Group(copy(group.features), None if group.derived is None else copy_derived(group.derived))


def copy_derived(group: DerivedGroup) -> DerivedGroup:
    """Copy the accumulators of derived features."""
    words = {name: Words(found.counts.copy(), found.rows) for name, found in group.words.items()}
    return DerivedGroup(copy(group.numbers), words, group.examples)
