"""Runs TFDV's Beam pipeline once per split and span: on any runner, but slower on one machine."""

from pathlib import Path

import apache_beam as beam
import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from artifacts.examples.manifest import ExamplesManifest
from artifacts.examples.names import span_glob, split_glob
from artifacts.examples.shards import verified
from artifacts.statistics.names import of_span, of_split


def describe_with_beam(
    folder: Path, manifest: ExamplesManifest, schema: schema_pb2.Schema, beam_args: tuple[str, ...]
) -> dict[str, statistics_pb2.DatasetFeatureStatisticsList]:
    """Compute the statistics of each split, and of the newest spans over all splits; raises CorruptArtifact first."""
    for shard in manifest.shards:
        verified(folder, shard)
    patterns = {of_split(split): f"{folder}/{split_glob(split)}" for split in manifest.splits()}
    patterns |= {of_span(manifest.source, span): f"{folder}/{span_glob(span)}" for span in manifest.newest_spans()}
    pipeline_options = beam.options.pipeline_options.PipelineOptions(list(beam_args))
    return {
        name: tfdv.generate_statistics_from_tfrecord(
            pattern, stats_options=tfdv.StatsOptions(schema=schema), pipeline_options=pipeline_options
        )
        for name, pattern in patterns.items()
    }
