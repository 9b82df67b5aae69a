"""Runs tf.Transform's analysis as its own Beam pipeline, whose workers read shards."""

from pathlib import Path

import pyarrow_hotfix  # noqa: F401
import apache_beam as beam
import tensorflow_transform.beam as tft_beam

from adapters.beam_run import run
from adapters.beam_work import distributed, seen_by_workers
from adapters.tft.deep_copy import allow_deep_copies
from artifacts.examples.on_beam import ReadBatches
from components.transform_features.analysis import Analysis
from core.beam.settings import Runner
from core.errors import ConfigError
from core.object_stores.locations import Location


def analyze(runner: Runner, analysis: Analysis, work: Location) -> None:
    """Analyze shards and write the transform graph to a folder that the workers see."""
    seen = seen_by_workers(runner, analysis.folder, "the examples")
    if str(work).startswith("s3://"):
        raise ConfigError(
            f"config.yaml: beam: wanted a folder that TensorFlow can write, got {work}: module.py uses an operation "
            "that only tf.Transform's own pipeline runs, and its graphs go to a disk or to Google Cloud Storage; set "
            "work to a volume that is mounted in the workers, or to gs://bucket/folder"
        )
    allow_deep_copies()

    def build(pipeline: beam.Pipeline) -> None:
        # Each phase of the analysis reads the shards again, so that no runner keeps rows between two of them.
        with tft_beam.Context(temp_dir=f"{work}/temporary", use_deep_copy_optimization=True):
            read = ReadBatches(seen, analysis.schema, analysis.batch_rows)
            data = (
                distributed(pipeline, "Shards", analysis.shards)
                | "Read" >> beam.ParDo(read)
                | "Batches" >> beam.Values()
            )
            transform_fn = (data, analysis.adapter) | tft_beam.AnalyzeDataset(analysis.preprocessing)
            transform_fn | tft_beam.WriteTransformFn(str(work))

    run(runner, build, Path(analysis.preprocessing.module).parent)
