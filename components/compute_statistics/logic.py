"""Computes TFDV's statistics of splits and spans, reading every example once.

TFDV's generators are combiners: a split accumulates batch by batch; the newest spans, which are part of a split as well,
accumulate apart and are merged into it. What is held in memory does not grow with rows or spans, and the numbers are those
of `tfdv.generate_statistics_from_tfrecord`, up to the tolerance of its sketches.
"""

import pickle
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow_hotfix  # noqa: F401
import apache_beam as beam
import pyarrow as pa
import tensorflow_data_validation as tfdv
from tensorflow_data_validation.statistics import stats_impl
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2
from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

from artifacts.examples import tfrecord
from artifacts.examples.batches import record_batches
from artifacts.examples.manifest import ExamplesManifest
from artifacts.examples.names import span_glob, split_glob
from artifacts.examples.shards import verified
from artifacts.schema.schema_file import read_schema
from artifacts.statistics import folder as statistics_folder
from artifacts.statistics.names import SERVING, is_span, of_span, of_split
from components.compute_statistics.config import Config
from components.compute_statistics.pictures import describe
from core import pictures, user_code
from core.errors import EmptyDataset, SchemaError

Group = list[Any]
"""What TFDV's generators have accumulated over some examples, one accumulator per generator."""


def compute(
    config: Config, examples: Path | str, schema: str, statistics: Path | str, pictures_path: Path | str
) -> dict[str, Path]:
    """Write statistics and their picture; return the files by what they describe, such as `Split-train` or `Span-4`.

    Raises CorruptArtifact for examples that are not what was ingested, and SchemaError for a feature of changing type.
    """
    manifest = ExamplesManifest.read(examples)
    curated = read_schema(user_code.resolve(schema))
    describer = _Beam(config, curated) if config.engine == "beam" else _InProcess(config, curated)
    found = describer.of_examples(Path(examples), manifest)
    if config.serving:
        found[SERVING] = _InProcess(config, curated).of_serving(user_code.resolve(config.serving))
    written = statistics_folder.write(statistics, found)
    pictures.write(
        pictures_path,
        describe({name: result for name, result in found.items() if not is_span(name)}, curated),
    )
    return written


def newest_spans(manifest: ExamplesManifest) -> tuple[int, ...]:
    """Return the newest span and the one before it, as far as the window holds them."""
    return tuple(sorted(manifest.spans)[-2:])


class _InProcess:
    """Streams record batches through TFDV's combiner generators."""

    def __init__(self, config: Config, schema: schema_pb2.Schema) -> None:
        self._batch_rows = config.batch_rows
        self._generators = stats_impl.get_generators(tfdv.StatsOptions(schema=schema), in_memory=True)
        for generator in self._generators:
            generator.setup()

    def of_examples(
        self, folder: Path, manifest: ExamplesManifest
    ) -> dict[str, statistics_pb2.DatasetFeatureStatisticsList]:
        """Describe each split, and the newest spans over all splits."""
        newest = newest_spans(manifest)
        splits: dict[str, Group] = {}
        spans: dict[int, Group] = {}
        for split, span in dict.fromkeys((shard.split, shard.span) for shard in manifest.shards):
            # Without the schema: a column that it does not know must show up, and so must one of another type.
            batches = record_batches(folder, split, None, self._batch_rows, span)
            what = f"split {split} with span {span}"
            if span not in newest:
                splits[split] = self._add(splits.get(split), batches, what)
                continue
            group = self._add(None, batches, what)
            spans[span] = self._merge(spans.get(span), _copy(group), f"span {span}")
            splits[split] = self._merge(splits.get(split), group, what)
        found = {of_split(split): self._extract(group) for split, group in splits.items()}
        return found | {of_span(span): self._extract(group) for span, group in spans.items()}

    def of_serving(self, path: Path) -> statistics_pb2.DatasetFeatureStatisticsList:
        """Describe a TFRecord file of tf.Examples; EmptyDataset when it has none."""
        decoder = ExamplesToRecordBatchDecoder(None)
        with path.open("rb") as stream:
            blocks = _blocks(record for _, record in tfrecord.read(stream, path))
            result = self._extract(self._add(None, (decoder.DecodeBatch(block) for block in blocks), str(path)))
        if not result.datasets[0].num_examples:
            raise EmptyDataset(
                f"{path}: wanted examples as the server got them, got none; "
                "leave compute_statistics.serving empty until there are some"
            )
        return result

    def _add(self, group: Group | None, batches: Iterable[pa.RecordBatch], what: str) -> Group:
        if group is None:
            group = [generator.create_accumulator() for generator in self._generators]
        try:
            for batch in batches:
                group = [
                    generator.add_input(one, batch) for generator, one in zip(self._generators, group, strict=True)
                ]
        except TypeError as error:
            raise _changing_type(what, error) from error
        return group

    def _merge(self, group: Group | None, other: Group, what: str) -> Group:
        """Merge two groups, which may change both."""
        if group is None:
            return other
        try:
            return [
                generator.merge_accumulators(pair)
                for generator, *pair in zip(self._generators, group, other, strict=True)
            ]
        except TypeError as error:
            raise _changing_type(what, error) from error

    def _extract(self, group: Group) -> statistics_pb2.DatasetFeatureStatisticsList:
        return stats_impl.extract_statistics_output(group, self._generators)


class _Beam:
    """Runs TFDV's own Beam pipeline once per split and span; on any runner, and slower on one machine."""

    def __init__(self, config: Config, schema: schema_pb2.Schema) -> None:
        self._options = tfdv.StatsOptions(schema=schema)
        self._arguments = list(config.beam_args)

    def of_examples(
        self, folder: Path, manifest: ExamplesManifest
    ) -> dict[str, statistics_pb2.DatasetFeatureStatisticsList]:
        """Describe each split, and the newest spans over all splits."""
        for shard in manifest.shards:
            verified(folder, shard)
        patterns = {of_split(split): f"{folder}/{split_glob(split)}" for split in manifest.splits()}
        patterns |= {of_span(span): f"{folder}/{span_glob(span)}" for span in newest_spans(manifest)}
        return {name: self._of_pattern(pattern) for name, pattern in patterns.items()}

    def _of_pattern(self, pattern: str) -> statistics_pb2.DatasetFeatureStatisticsList:
        options = beam.options.pipeline_options.PipelineOptions(self._arguments)
        return tfdv.generate_statistics_from_tfrecord(pattern, stats_options=self._options, pipeline_options=options)


def _blocks(records: Iterable[bytes], size: int = 4096) -> Iterator[list[bytes]]:
    block: list[bytes] = []
    for record in records:
        block.append(record)
        if len(block) == size:
            yield block
            block = []
    if block:
        yield block


def _copy(group: Group) -> Group:
    """Copy accumulators the way Beam moves them between workers; some are C++ objects."""
    copied: Group = pickle.loads(pickle.dumps(group))  # noqa: S301 - our own bytes, never stored
    return copied


def _changing_type(what: str, error: TypeError) -> SchemaError:
    return SchemaError(
        f"{what}: wanted one type per feature, got {error}; correct the spans that differ, or the type in the schema"
    )
