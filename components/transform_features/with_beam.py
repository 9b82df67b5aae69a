"""Runs tf.Transform's analysis as a Beam pipeline, on the runner that the flags name."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow_hotfix  # noqa: F401
import apache_beam as beam
import pyarrow as pa
import tensorflow_transform.beam as tft_beam
from apache_beam.options.pipeline_options import PipelineOptions
from tfx_bsl.tfxio.tensor_adapter import TensorAdapterConfig

Preprocessing = Callable[[dict[str, Any]], dict[str, Any]]


def analyze(
    preprocessing_fn: Preprocessing,
    read: Callable[[], Iterator[pa.RecordBatch]],
    adapter: TensorAdapterConfig,
    flags: Sequence[str],
    out: Path,
) -> None:
    """Analyze the batches that `read` yields on a worker, and write the transform graph to `out`."""
    # Without `use_deep_copy_optimization`, which fails in tf.Transform 1.16 with Beam 2.65.
    with (
        beam.Pipeline(options=PipelineOptions(list(flags))) as pipeline,
        tft_beam.Context(temp_dir=str(out / "temporary")),
    ):
        data = pipeline | "Once" >> beam.Create([None]) | "Read" >> beam.FlatMap(lambda _: read())
        transform_fn = (data, adapter) | tft_beam.AnalyzeDataset(preprocessing_fn)
        transform_fn | tft_beam.WriteTransformFn(str(out))
