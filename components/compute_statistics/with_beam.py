"""Computes statistics with TFDV's Beam transform: one pipeline for all splits and spans, whose workers read shards."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow_hotfix  # noqa: F401
import apache_beam as beam
import pyarrow as pa
import tensorflow_data_validation as tfdv
from tensorflow_data_validation.statistics import stats_impl
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from adapters.beam_run import run
from adapters.beam_work import Keep, distributed, seen_by_workers, work_folder
from artifacts.examples.batches import shard_batches
from artifacts.examples.manifest import ExamplesManifest, Shard
from artifacts.spans.files import file_digest
from artifacts.statistics.names import SERVING, of_span, of_split
from components.compute_statistics.derived import DerivedGroup, DerivedStatistics
from components.compute_statistics.in_process import ComputedStatistics
from components.compute_statistics.serving import Served, batches
from core.beam.settings import Runner
from core.errors import SchemaError
from core.object_stores import locations
from core.object_stores.locations import Location

_FEATURES, _DERIVED, _DIGESTS = "features", "derived", "digests"
_NO_ROWS = statistics_pb2.DatasetFeatureStatistics()


class Inputs(NamedTuple):
    """What is described."""

    folder: Location
    """The examples."""
    schema: schema_pb2.Schema
    batch_rows: int
    served: Served | None


def describe_with_beam(runner: Runner, inputs: Inputs, output: Path | str) -> ComputedStatistics:
    """Compute the statistics of each split, of the newest spans over all splits, and of what the server was sent.

    Raises CorruptArtifact for examples that differ from their manifest, SchemaError when a feature's type changes,
    DataError for serving data of another digest.
    """
    manifest = ExamplesManifest.read(inputs.folder)
    datasets = _datasets(manifest)
    read = _ReadNamed(seen_by_workers(runner, inputs.folder, "the examples"), datasets, inputs.batch_rows)
    files = inputs.served.files if inputs.served else ()
    sent = [seen_by_workers(runner, file.path, "the serving data") for file in files]
    with work_folder(runner, output) as work:

        def build(pipeline: beam.Pipeline) -> None:
            named = distributed(pipeline, "Shards", [*manifest.shards, *sent]) | "Read" >> beam.ParDo(read)
            _describe(named, inputs.schema, work)
            keep_digests(pipeline, sent, work)

        try:
            run(runner, build)
        except (RuntimeError, TypeError) as error:
            if "TypeError" in f"{type(error).__name__} {error}":
                raise SchemaError(
                    f"{inputs.folder}: wanted one type per feature, got {_last_line(error)}; correct the spans that "
                    "differ, or the type in the schema"
                ) from error
            raise
        if inputs.served is not None:
            inputs.served.check(digests_kept(inputs.served, work))
        return ComputedStatistics(_features(work, [*datasets, *[SERVING] * bool(sent)]), _read(work, _DERIVED))


def keep_digests(pipeline: beam.Pipeline, sent: Sequence[Location], work: Location) -> None:
    """Add the digests of the files of serving data to the graph."""
    if sent:
        digests = distributed(pipeline, "Served", enumerate(sent)) | "Digest" >> beam.Map(_digested)
        _ = digests | "Keep digests" >> beam.ParDo(Keep(work))


def _digested(element: tuple[int, Location]) -> tuple[str, bytes]:
    number, file = element
    return f"{_DIGESTS}/{number}", file_digest(file).encode()


def digests_kept(served: Served, work: Location) -> dict[str, str]:
    """Return the digest of each file of serving data by its name."""
    kept = (locations.join(work, _DIGESTS, str(number)) for number in range(len(served.files)))
    return {file.name: locations.read(place).decode() for file, place in zip(served.files, kept, strict=True)}


class _ReadNamed(beam.DoFn):  # type: ignore[misc]  # Beam has no types
    """Yields (name of a dataset, record batch) for each dataset that a shard, or a file of serving data, is part of."""

    def __init__(self, folder: Location, datasets: Mapping[str, str | int], batch_rows: int) -> None:
        self._folder, self._datasets, self._batch_rows = folder, datasets, batch_rows

    def process(self, source: Shard | Location) -> Iterator[tuple[str, pa.RecordBatch]]:
        """Read one file."""
        if not isinstance(source, Shard):
            yield from ((SERVING, batch) for batch in batches(source, self._batch_rows))
            return
        names = [name for name, wanted in self._datasets.items() if wanted in (source.split, source.span)]
        for batch in shard_batches(self._folder, source, None, self._batch_rows):
            yield from ((name, batch) for name in names)


def _datasets(manifest: ExamplesManifest) -> dict[str, str | int]:
    """Return the split, or the span of all splits, that is described, by the name of its dataset."""
    found: dict[str, str | int] = {of_split(split): split for split in manifest.splits()}
    return found | {of_span(manifest.source, span): span for span in manifest.newest_spans()}


def _describe(named: Any, schema: schema_pb2.Schema, work: Location) -> None:
    """Add the statistics of all datasets to the graph; for TFDV each is a slice of one, so its graph is there once."""
    features = named | "Describe" >> stats_impl.GenerateSlicedStatisticsImpl(
        tfdv.StatsOptions(schema=schema), is_slicing_enabled=True
    )
    _ = features | "Name" >> beam.Map(lambda found: (_FEATURES, found.SerializeToString())) | _keep(_FEATURES, work)
    if DerivedStatistics(schema):
        derived = named | "Derive" >> beam.CombinePerKey(_Derive(schema))
        _ = derived | "Name derived" >> beam.MapTuple(_of_derived) | _keep(_DERIVED, work)


def _keep(what: str, work: Location) -> Any:
    return f"Keep {what}" >> beam.ParDo(Keep(work))


def _of_derived(name: str, found: statistics_pb2.DatasetFeatureStatisticsList) -> tuple[str, bytes]:
    return f"{_DERIVED}/{name}", found.SerializeToString(deterministic=True)


def _features(work: Location, names: Sequence[str]) -> dict[str, statistics_pb2.DatasetFeatureStatisticsList]:
    """Return the statistics of each dataset, which TFDV wrote as slices of one; it has none for those without rows."""
    slices = statistics_pb2.DatasetFeatureStatisticsList.FromString(locations.read(locations.join(work, _FEATURES)))
    found = {name: statistics_pb2.DatasetFeatureStatisticsList() for name in names}
    for name, of_dataset in found.items():
        of_dataset.datasets.add().CopyFrom(next((one for one in slices.datasets if one.name == name), _NO_ROWS))
        of_dataset.datasets[0].ClearField("name")
    return found


def _read(work: Location, kind: str) -> dict[str, statistics_pb2.DatasetFeatureStatisticsList]:
    folder = locations.join(work, kind)
    parse = statistics_pb2.DatasetFeatureStatisticsList.FromString
    return {name: parse(locations.read(locations.join(folder, name))) for name in locations.files(folder)}


def _last_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if "TypeError" in line or line]
    return lines[-1] if lines else type(error).__name__


class _Derive(beam.CombineFn):  # type: ignore[misc]  # Beam has no types
    """Combines the statistics of derived features as `DerivedStatistics` does."""

    def __init__(self, schema: schema_pb2.Schema) -> None:
        self._schema = schema.SerializeToString()

    def setup(self, *args: Any, **kwargs: Any) -> None:
        """Create the generators once per worker."""
        del args, kwargs
        self._statistics = DerivedStatistics(schema_pb2.Schema.FromString(self._schema))

    def create_accumulator(self) -> DerivedGroup:
        """Return a group without examples."""
        return self._statistics.create()

    def add_input(self, group: DerivedGroup, batch: pa.RecordBatch) -> DerivedGroup:
        """Add a batch."""
        self._statistics.add(group, batch, _DERIVED)
        return group

    def merge_accumulators(self, groups: Iterable[DerivedGroup]) -> DerivedGroup:
        """Merge groups of several workers."""
        merged, *others = groups
        for other in others:
            merged = self._statistics.merge(merged, other, _DERIVED)
        return merged

    def extract_output(self, group: DerivedGroup) -> statistics_pb2.DatasetFeatureStatisticsList:
        """Return the statistics."""
        return self._statistics.extract(group)
