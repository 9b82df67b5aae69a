"""Computes statistics on workers of this machine with the accumulators of one process, merged and described by workers.

TFDV's own pipeline (`with_beam.py`) spreads the distinct values of a feature over many machines; these accumulators
keep them in one process, as the engine without Beam does. But TFDV's many small stages take longer than the rows where
those are few, and it reads a row once for its split and once more for its span.
"""

import pickle
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow_hotfix  # noqa: F401
import apache_beam as beam
import pyarrow as pa
from tensorflow_metadata.proto.v0 import schema_pb2

from adapters.beam_run import run
from adapters.beam_work import Keep, distributed, work_folder
from artifacts.examples.batches import shard_batches
from artifacts.examples.manifest import ExamplesManifest, Shard
from artifacts.statistics.names import SERVING, of_span, of_split
from components.compute_statistics.in_process import ComputedStatistics, Group, InProcess, Key, key_of
from components.compute_statistics.serving import batches
from components.compute_statistics.with_beam import Inputs, digests_kept, keep_digests
from core.beam.settings import Runner
from core.object_stores import locations
from core.object_stores.locations import Location

_DESCRIBED = "described"
_SERVING: Key = (SERVING, None)


def describe_on_this_machine(runner: Runner, inputs: Inputs, output: Path | str) -> ComputedStatistics:
    """Compute what `describe_with_beam` computes; SchemaError names the shard whose type differs."""
    manifest = ExamplesManifest.read(inputs.folder)
    newest = manifest.newest_spans()
    order = {key: place for place, key in enumerate(dict.fromkeys(key_of(shard, newest) for shard in manifest.shards))}
    sent = [file.path for file in inputs.served.files] if inputs.served else []
    with work_folder(runner, output) as work:

        def build(pipeline: beam.Pipeline) -> None:
            read = _ReadKeyed(inputs, newest)
            keyed = distributed(pipeline, "Shards", [*manifest.shards, *sent]) | "Read" >> beam.ParDo(read)
            groups = keyed | "Accumulate" >> beam.CombinePerKey(_Accumulate(inputs))
            parts = groups | "Datasets" >> beam.FlatMap(_of_datasets, manifest.source, order)
            described = parts | "Group" >> beam.GroupByKey() | "Describe" >> beam.ParDo(_Describe(inputs))
            _ = described | "Keep" >> beam.ParDo(Keep(work))
            keep_digests(pipeline, sent, work)

        run(runner, build)
        if inputs.served is not None:
            inputs.served.check(digests_kept(inputs.served, work))
        return _described(inputs, manifest, order, work)


def _described(
    inputs: Inputs, manifest: ExamplesManifest, order: Mapping[Key, int], work: Location
) -> ComputedStatistics:
    """Read the statistics of all datasets; workers have none for those without rows."""
    splits = dict.fromkeys(of_split(split) for split, _ in order)
    spans = dict.fromkeys(of_span(manifest.source, span) for _, span in order if span is not None)
    names = [*splits, *spans, *[SERVING] * (inputs.served is not None)]
    found = {name: locations.join(work, _DESCRIBED, name) for name in locations.files(locations.join(work, _DESCRIBED))}
    in_process, computed = InProcess(inputs.schema, inputs.batch_rows), ComputedStatistics({}, {})
    for name in names:
        one = in_process.of_group(name, None)
        if name in found:
            one = pickle.loads(locations.read(found[name]))  # noqa: S301 - ours
        computed.features.update(one.features)
        computed.derived.update(one.derived)
    return computed


def _of_datasets(
    element: tuple[Key, Group], source: str, order: Mapping[Key, int]
) -> Iterator[tuple[str, tuple[int, Group]]]:
    """Yield a group, with its place among all, for each dataset that it is part of."""
    key, group = element
    split, span = key
    if key == _SERVING:
        yield SERVING, (0, group)
        return
    yield of_split(split), (order[key], group)
    if span is not None:
        yield of_span(source, span), (order[key], group)


class _Describe(beam.DoFn):  # type: ignore[misc]  # Beam has no types
    """Merges the groups of a dataset, in the order in which one process does, and yields its statistics."""

    def __init__(self, inputs: Inputs) -> None:
        self._schema, self._rows = inputs.schema.SerializeToString(), inputs.batch_rows

    def setup(self) -> None:
        """Create TFDV's generators once per worker."""
        self._in_process = InProcess(schema_pb2.Schema.FromString(self._schema), self._rows)

    def process(self, element: tuple[str, Iterable[tuple[int, Group]]]) -> Iterator[tuple[str, bytes]]:
        """Describe one dataset."""
        name, parts = element
        merged: Group | None = None
        for _, group in sorted(parts, key=lambda part: part[0]):
            merged = self._in_process.merge(merged, group, name)
        yield f"{_DESCRIBED}/{name}", pickle.dumps(self._in_process.of_group(name, merged))


class _ReadKeyed(beam.DoFn):  # type: ignore[misc]  # Beam has no types
    """Yields (key of a group, (file, record batch)) for a shard or a file of serving data."""

    def __init__(self, inputs: Inputs, newest: tuple[int, ...]) -> None:
        self._folder, self._rows, self._newest = inputs.folder, inputs.batch_rows, newest

    def process(self, source: Shard | Location) -> Iterator[tuple[Key, tuple[str, pa.RecordBatch]]]:
        """Read one file."""
        if isinstance(source, Shard):
            key, what = key_of(source, self._newest), str(locations.join(self._folder, source.name))
            found = shard_batches(self._folder, source, None, self._rows)
        else:
            key, what, found = _SERVING, str(source), batches(source, self._rows)
        for batch in found:
            yield key, (what, batch)


class _Accumulate(beam.CombineFn):  # type: ignore[misc]  # Beam has no types
    """Accumulates the batches of a group as one process does."""

    def __init__(self, inputs: Inputs) -> None:
        self._schema, self._rows, self._folder = inputs.schema.SerializeToString(), inputs.batch_rows, inputs.folder

    def setup(self, *args: Any, **kwargs: Any) -> None:
        """Create TFDV's generators once per worker."""
        del args, kwargs
        self._in_process = InProcess(schema_pb2.Schema.FromString(self._schema), self._rows)

    def create_accumulator(self) -> Group:
        """Return a group without examples."""
        return self._in_process.create()

    def add_input(self, group: Group, element: tuple[str, pa.RecordBatch]) -> Group:
        """Add a batch."""
        what, batch = element
        return self._in_process.add(group, [batch], what)

    def merge_accumulators(self, groups: Iterable[Group]) -> Group:
        """Merge groups of several workers."""
        merged, *others = groups
        for other in others:
            merged = self._in_process.merge(merged, other, str(self._folder))
        return merged

    def extract_output(self, group: Group) -> Group:
        """Return the group itself, which is part of a split and perhaps of a span."""
        return group
