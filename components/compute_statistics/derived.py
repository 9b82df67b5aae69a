"""Statistics of features that are derived from texts and images, in the same form as those of other features."""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from artifacts.examples.values import per_value
from artifacts.schema import derived
from artifacts.schema.derived import name_of
from artifacts.statistics.combiners import Accumulators, Combiners
from components.compute_statistics import images, texts

KEPT_WORDS = 50_000
"""Number of different words of a text feature that are kept, the most frequent ones; others count as unseen."""
_PRUNED_AT = 8 * KEPT_WORDS
"""Number of different words in memory at which the rarer half is dropped."""
_TOP = 20
"""Number of the most frequent words in `top_values`."""


@dataclass
class Words:
    """How often each word of a text feature occurs."""

    counts: Counter[str] = field(default_factory=Counter)
    rows: int = 0
    """Rows with at least one word."""

    def add(self, more: "Words") -> None:
        """Add the words of other rows, within a bounded memory."""
        self.counts.update(more.counts)
        self.rows += more.rows
        if len(self.counts) > _PRUNED_AT:
            self.counts = Counter(dict(self.counts.most_common(_PRUNED_AT // 2)))


@dataclass
class DerivedGroup:
    """Accumulators of derived features."""

    numbers: Accumulators
    words: dict[str, Words]
    """Words by text feature."""
    examples: int = 0


class _Columns(NamedTuple):
    """The derived features of a batch of examples."""

    numbers: pa.RecordBatch
    words: dict[str, Words]


class DerivedStatistics:
    """Derives numbers and words from text and image features, and computes their statistics."""

    def __init__(self, schema: schema_pb2.Schema) -> None:
        """Find the text and image features of a schema."""
        self._texts = derived.texts(schema)
        self._images = derived.images(schema)
        self._combiners = Combiners(schema_pb2.Schema())

    def __bool__(self) -> bool:
        """Whether the schema has text or image features."""
        return bool(self._texts or self._images)

    def create(self) -> DerivedGroup:
        """Return new accumulators, without examples."""
        return DerivedGroup(self._combiners.create(), {name: Words() for name in self._texts})

    def add(self, group: DerivedGroup, batch: pa.RecordBatch, what: str) -> None:
        """Add a batch of examples, each feature a column of lists; `what` names them in errors."""
        columns = self._derive(batch)
        group.examples += batch.num_rows
        group.numbers = self._combiners.add(group.numbers, [columns.numbers], what)
        for name, words in columns.words.items():
            group.words[name].add(words)

    def merge(self, group: DerivedGroup, other: DerivedGroup, what: str) -> DerivedGroup:
        """Merge two groups, modifying both."""
        group.numbers = self._combiners.merge(group.numbers, other.numbers, what)
        group.examples += other.examples
        for name, words in other.words.items():
            group.words[name].add(words)
        return group

    def extract(self, group: DerivedGroup) -> statistics_pb2.DatasetFeatureStatisticsList:
        """Return the statistics; each derived feature has its source feature in `validation_derived_source`."""
        result = self._combiners.extract(group.numbers)
        dataset = result.datasets[0] if result.datasets else result.datasets.add()
        dataset.num_examples = group.examples
        for feature in dataset.features:
            source, _, deriver = feature.path.step[-1].rpartition("/")
            _set_origin(feature, source, deriver)
        for name, words in group.words.items():
            if words.counts:
                dataset.features.append(_word_statistics(name, words, group.examples))
        return result

    def _derive(self, batch: pa.RecordBatch) -> _Columns:
        numbers: dict[str, pa.Array] = {}
        found: dict[str, Words] = {}
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if name in self._texts and pa.types.is_large_binary(column.type.value_type):
                content = texts.decoded(column.flatten())
                split = texts.words(content)
                counts = texts.word_count(split)
                numbers[name_of(name, derived.CHARACTERS)] = per_value(column, texts.characters(content))
                numbers[name_of(name, derived.WORD_COUNT)] = per_value(column, counts)
                found[name] = Words(texts.counted(split), sum(count > 0 for count in counts.to_pylist()))
            elif name in self._images and pa.types.is_large_binary(column.type.value_type):
                sizes = images.sizes(column.flatten())
                for deriver, values in sizes._asdict().items():
                    numbers[name_of(name, deriver)] = per_value(column, values)
        names = sorted(numbers)
        arrays = [numbers[name] for name in names]
        empty = pa.RecordBatch.from_arrays([pa.nulls(batch.num_rows)], ["_"]) if not arrays else None
        return _Columns(empty or pa.RecordBatch.from_arrays(arrays, names), found)


def _word_statistics(name: str, words: Words, examples: int) -> statistics_pb2.FeatureNameStatistics:
    """Describe words as TFDV describes the values of a category."""
    feature = statistics_pb2.FeatureNameStatistics(type=statistics_pb2.FeatureNameStatistics.STRING)
    feature.path.step.append(name_of(name, derived.WORDS))
    _set_origin(feature, name, derived.WORDS)
    rows = min(words.rows, examples)
    total = words.counts.total()
    common = feature.string_stats.common_stats
    common.num_non_missing, common.num_missing = rows, examples - rows
    common.min_num_values, common.max_num_values = 1, 1
    common.tot_num_values = total
    common.avg_num_values = total / max(rows, 1)
    feature.string_stats.unique = len(words.counts)
    feature.string_stats.avg_length = sum(len(word) * count for word, count in words.counts.items()) / max(total, 1)
    ordered = sorted(words.counts.items(), key=lambda item: (-item[1], item[0]))[:KEPT_WORDS]
    for rank, (word, count) in enumerate(ordered):
        if rank < _TOP:
            feature.string_stats.top_values.add(value=word, frequency=count)
        feature.string_stats.rank_histogram.buckets.add(low_rank=rank, high_rank=rank, label=word, sample_count=count)
    return feature


def _set_origin(feature: statistics_pb2.FeatureNameStatistics, source: str, deriver: str) -> None:
    feature.validation_derived_source.deriver_name = deriver
    del feature.validation_derived_source.source_path[:]
    feature.validation_derived_source.source_path.add(step=[source])
