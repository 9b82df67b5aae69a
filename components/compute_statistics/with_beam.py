"""Computes statistics with TFDV's Beam transform: one pipeline for all splits and spans, whose workers read shards."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow_hotfix  # noqa: F401
import apache_beam as beam
import pyarrow as pa
import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from adapters.beam_run import run
from adapters.beam_work import Keep, seen_by_workers, work_folder
from artifacts.examples.manifest import ExamplesManifest, Shard
from artifacts.examples.on_beam import ReadBatches, shards
from artifacts.statistics.names import of_span, of_split
from components.compute_statistics.derived import DerivedGroup, DerivedStatistics
from components.compute_statistics.in_process import ComputedStatistics
from core.beam.settings import Runner
from core.errors import SchemaError
from core.object_stores import locations
from core.object_stores.locations import Location

_FEATURES, _DERIVED = "features", "derived"


def describe_with_beam(
    runner: Runner, folder: Location, schema: schema_pb2.Schema, batch_rows: int, output: Path | str
) -> ComputedStatistics:
    """Compute the statistics of each split, and of the newest spans over all splits.

    Raises CorruptArtifact for examples that differ from their manifest, SchemaError when a feature's type changes.
    """
    manifest = ExamplesManifest.read(folder)
    seen = seen_by_workers(runner, folder, "the examples")
    with work_folder(runner, output) as work:

        def build(pipeline: beam.Pipeline) -> None:
            batches = shards(pipeline, manifest.shards) | "Read" >> beam.ParDo(ReadBatches(seen, None, batch_rows))
            for name, wanted in _datasets(manifest).items():
                _describe(batches | f"Of {name}" >> beam.Filter(_Is(wanted)), name, schema, work)

        try:
            run(runner, build)
        except (RuntimeError, TypeError) as error:
            if "TypeError" in f"{type(error).__name__} {error}":
                raise SchemaError(
                    f"{folder}: wanted one type per feature, got {_last_line(error)}; correct the spans that differ, "
                    "or the type in the schema"
                ) from error
            raise
        return ComputedStatistics(_read(work, _FEATURES), _read(work, _DERIVED))


class _Is:
    """Whether a shard is of one dataset: a split, or a span of all splits."""

    def __init__(self, wanted: str | int) -> None:
        self._wanted = wanted

    def __call__(self, element: tuple[Shard, pa.RecordBatch]) -> bool:
        return self._wanted in (element[0].split, element[0].span)


def _datasets(manifest: ExamplesManifest) -> dict[str, str | int]:
    found: dict[str, str | int] = {of_split(split): split for split in manifest.splits()}
    return found | {of_span(manifest.source, span): span for span in manifest.newest_spans()}


def _describe(batches: Any, name: str, schema: schema_pb2.Schema, work: Location) -> None:
    """Add the branch of one dataset to the graph."""
    of_dataset = batches | f"Batches of {name}" >> beam.Values()
    features = of_dataset | f"Describe {name}" >> tfdv.GenerateStatistics(tfdv.StatsOptions(schema=schema))
    _keep(features, f"{_FEATURES}/{name}", work)
    if DerivedStatistics(schema):
        derived = of_dataset | f"Derive {name}" >> beam.CombineGlobally(_Derive(schema, name))
        _keep(derived, f"{_DERIVED}/{name}", work)


def _keep(statistics: Any, name: str, work: Location) -> None:
    _ = (
        statistics
        | f"Named {name}" >> beam.Map(lambda found, name=name: (name, found.SerializeToString(deterministic=True)))
        | f"Keep {name}" >> beam.ParDo(Keep(work))
    )


def _read(work: Location, kind: str) -> dict[str, statistics_pb2.DatasetFeatureStatisticsList]:
    folder = locations.join(work, kind)
    parse = statistics_pb2.DatasetFeatureStatisticsList.FromString
    return {name: parse(locations.read(locations.join(folder, name))) for name in locations.files(folder)}


def _last_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if "TypeError" in line or line]
    return lines[-1] if lines else type(error).__name__


class _Derive(beam.CombineFn):  # type: ignore[misc]  # Beam has no types
    """Combines the statistics of derived features as `DerivedStatistics` does."""

    def __init__(self, schema: schema_pb2.Schema, name: str) -> None:
        self._schema = schema.SerializeToString()
        self._name = name

    def setup(self, *args: Any, **kwargs: Any) -> None:
        """Create the generators once per worker."""
        del args, kwargs
        self._statistics = DerivedStatistics(schema_pb2.Schema.FromString(self._schema))

    def create_accumulator(self) -> DerivedGroup:
        """Return a group without examples."""
        return self._statistics.create()

    def add_input(self, group: DerivedGroup, batch: pa.RecordBatch) -> DerivedGroup:
        """Add a batch."""
        self._statistics.add(group, batch, self._name)
        return group

    def merge_accumulators(self, groups: Iterable[DerivedGroup]) -> DerivedGroup:
        """Merge groups of several workers."""
        merged, *others = groups
        for other in others:
            merged = self._statistics.merge(merged, other, self._name)
        return merged

    def extract_output(self, group: DerivedGroup) -> statistics_pb2.DatasetFeatureStatisticsList:
        """Return the statistics."""
        return self._statistics.extract(group)
