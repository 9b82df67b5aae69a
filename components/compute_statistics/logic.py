"""Computes TFDV's statistics of splits and spans, reading every example once.

TFDV's generators are combiners: each shard group gets an accumulator, and a split or a span is the merge of its groups. The
numbers are those of `tfdv.generate_statistics_from_tfrecord`, up to the tolerance of its quantile sketches.
"""

import pickle
from collections.abc import Iterable, Iterator
from functools import reduce
from pathlib import Path
from typing import Any

import pyarrow_hotfix  # noqa: F401
import apache_beam as beam
import pyarrow as pa
import tensorflow_data_validation as tfdv
from tensorflow_data_validation.statistics import stats_impl
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2
from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

from components.compute_statistics.config import Config
from components.compute_statistics.pictures import describe
from mlops.core import pictures, tfrecord, user_code
from mlops.core.errors import EmptyDataset, SchemaError
from mlops.core.examples import Manifest, read_schema, record_batches, split_folder, verified

FILE = "FeatureStats.pb"
Groups = dict[tuple[str, int], list[Any]]
"""The generators' accumulators of each split of each span."""


def compute(config: Config, examples: Path | str, schema: str, statistics: Path | str, pictures_path: Path | str) -> dict[str, Path]:
    """Write statistics and their picture; return the files by what they describe, such as `Split-train` or `Span-4`.

    Raises CorruptArtifact for examples that are not what was ingested, and SchemaError for a feature of changing type.
    """
    manifest = Manifest.read(examples)
    curated = read_schema(user_code.resolve(schema))
    describer = _Beam(config, curated) if config.engine == "beam" else _InProcess(config, curated)
    found = describer.of_examples(Path(examples), manifest)
    if config.serving:
        found["Serving"] = _InProcess(config, curated).of_serving(user_code.resolve(config.serving))
    written = {name: _write(result, Path(statistics) / name / FILE) for name, result in found.items()}
    pictures.write(pictures_path, describe({name: result for name, result in found.items() if not name.startswith("Span-")}, curated))
    return written


def newest_spans(manifest: Manifest) -> tuple[int, ...]:
    """Return the newest span and the one before it, as far as the window holds them."""
    return tuple(sorted(manifest.spans)[-2:])


class _InProcess:
    """Streams record batches through TFDV's combiner generators."""

    def __init__(self, config: Config, schema: schema_pb2.Schema) -> None:
        self._batch_rows = config.batch_rows
        self._generators = stats_impl.get_generators(tfdv.StatsOptions(schema=schema), in_memory=True)
        for generator in self._generators:
            generator.setup()

    def of_examples(self, folder: Path, manifest: Manifest) -> dict[str, statistics_pb2.DatasetFeatureStatisticsList]:
        """Describe each split, and the newest spans over all splits."""
        groups: Groups = {}
        for shard in manifest.shards:
            key = (shard.split, shard.span)
            if key not in groups:
                # Without the schema: a column that it does not know must show up, and so must one of another type.
                groups[key] = self._add(record_batches(folder, shard.split, None, self._batch_rows, shard.span), f"split {shard.split} of span {shard.span}")
        newest = newest_spans(manifest)
        # Merging changes the accumulators, and the newest spans are part of a split as well.
        spans = {span: [_copy(group) for (_, number), group in groups.items() if number == span] for span in newest}
        found = {split_folder(split): self._extract([group for (name, _), group in groups.items() if name == split]) for split in manifest.splits()}
        return found | {f"Span-{span}": self._extract(parts) for span, parts in spans.items()}

    def of_serving(self, path: Path) -> statistics_pb2.DatasetFeatureStatisticsList:
        """Describe a TFRecord file of tf.Examples; EmptyDataset when it has none."""
        decoder = ExamplesToRecordBatchDecoder(None)
        with path.open("rb") as stream:
            group = self._add((decoder.DecodeBatch(block) for block in _blocks(record for _, record in tfrecord.read(stream, path))), str(path))
        result = self._extract([group])
        if not result.datasets[0].num_examples:
            raise EmptyDataset(f"{path}: wanted examples as the server got them, got none; leave compute_statistics.serving empty until there are some")
        return result

    def _add(self, batches: Iterable[pa.RecordBatch], what: str) -> list[Any]:
        group = [generator.create_accumulator() for generator in self._generators]
        try:
            for batch in batches:
                group = [generator.add_input(one, batch) for generator, one in zip(self._generators, group, strict=True)]
        except TypeError as error:
            raise _changing_type(what, error) from error
        return group

    def _extract(self, groups: list[list[Any]]) -> statistics_pb2.DatasetFeatureStatisticsList:
        try:
            merged = reduce(self._merge, groups)
        except TypeError as error:
            raise _changing_type("spans that belong together", error) from error
        return stats_impl.extract_statistics_output(merged, self._generators)

    def _merge(self, left: list[Any], right: list[Any]) -> list[Any]:
        return [generator.merge_accumulators([one, other]) for generator, one, other in zip(self._generators, left, right, strict=True)]


class _Beam:
    """Runs TFDV's own Beam pipeline once per split and span; on any runner, and slower on one machine."""

    def __init__(self, config: Config, schema: schema_pb2.Schema) -> None:
        self._options = tfdv.StatsOptions(schema=schema)
        self._arguments = list(config.beam_args)

    def of_examples(self, folder: Path, manifest: Manifest) -> dict[str, statistics_pb2.DatasetFeatureStatisticsList]:
        """Describe each split, and the newest spans over all splits."""
        for shard in manifest.shards:
            verified(folder, shard)
        patterns = {split_folder(split): f"{folder}/{split_folder(split)}/*.gz" for split in manifest.splits()}
        patterns |= {f"Span-{span}": f"{folder}/Split-*/span-{span:05d}-*.gz" for span in newest_spans(manifest)}
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


def _copy(group: list[Any]) -> list[Any]:
    """Copy accumulators the way Beam moves them between workers; some are C++ objects."""
    copied: list[Any] = pickle.loads(pickle.dumps(group))  # noqa: S301 - our own bytes, never stored
    return copied


def _changing_type(what: str, error: TypeError) -> SchemaError:
    return SchemaError(f"{what}: wanted one type per feature, got {error}; correct the spans that differ, or the type in the schema")


def _write(result: statistics_pb2.DatasetFeatureStatisticsList, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(result.SerializeToString(deterministic=True))
    return path
