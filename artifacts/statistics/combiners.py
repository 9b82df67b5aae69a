"""Runs TFDV's statistics generators in this process: accumulate batch by batch, merge, extract."""

import pickle
from collections.abc import Iterable
from typing import Any, TypeAlias

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
import tensorflow_data_validation as tfdv
from tensorflow_data_validation.statistics import stats_impl
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from adapters.tfdv_histograms import by_arrays
from core.errors import SchemaError

Accumulators: TypeAlias = list[Any]
"""One accumulator per generator."""


class Combiners:
    """TFDV's generators; the results equal those of its pipeline, up to the tolerance of its sketches."""

    def __init__(self, schema: schema_pb2.Schema) -> None:
        """Create the generators; the schema determines which features are categorical."""
        self._generators = stats_impl.get_generators(tfdv.StatsOptions(schema=schema), in_memory=True)
        for generator in self._generators:
            generator.setup()

    def create(self) -> Accumulators:
        """Return new accumulators, without examples."""
        return [generator.create_accumulator() for generator in self._generators]

    def add(self, group: Accumulators, batches: Iterable[pa.RecordBatch], what: str) -> Accumulators:
        """Add examples, each feature a column of lists; SchemaError, which names `what`, when a type changes."""
        try:
            for batch in batches:
                pairs = zip(self._generators, group, strict=True)
                group = [generator.add_input(accumulator, batch) for generator, accumulator in pairs]
        except TypeError as error:
            raise _changing_type(what, error) from error
        return group

    def merge(self, group: Accumulators, other: Accumulators, what: str) -> Accumulators:
        """Merge two groups, modifying both; SchemaError as `add`."""
        try:
            return [
                generator.merge_accumulators(pair)
                for generator, *pair in zip(self._generators, group, other, strict=True)
            ]
        except TypeError as error:
            raise _changing_type(what, error) from error

    def extract(self, group: Accumulators) -> statistics_pb2.DatasetFeatureStatisticsList:
        """Return the statistics of the accumulated examples."""
        with by_arrays():
            return stats_impl.extract_statistics_output(group, self._generators)


def copy(group: Accumulators) -> Accumulators:
    """Copy accumulators by pickling, as Beam does between workers, because some are C++ objects."""
    copied: Accumulators = pickle.loads(pickle.dumps(group))  # noqa: S301 - our own bytes, never stored
    return copied


def _changing_type(what: str, error: TypeError) -> SchemaError:
    return SchemaError(
        f"{what}: wanted one type per feature, got {error}; correct the spans that differ, or the type in the schema"
    )
