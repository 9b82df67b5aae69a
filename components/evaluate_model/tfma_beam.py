"""Computes TFMA's metrics by its own Beam pipeline, for data or metrics that one process cannot hold."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow_hotfix  # noqa: F401
import apache_beam as beam
import numpy as np
import pyarrow as pa
import tensorflow_model_analysis as tfma
from apache_beam.options.pipeline_options import PipelineOptions
from numpy.typing import NDArray
from tensorflow_model_analysis.metrics import metric_types
from tensorflow_model_analysis.slicer import slicer_lib
from tensorflow_model_analysis.writers import metrics_plots_and_validations_writer as writer

from components.evaluate_model.columns import MISSING, Values
from components.evaluate_model.config import Config
from components.evaluate_model.eval_config import CHAMPION, eval_config, prediction_key
from components.evaluate_model.slices import Column, SliceKey

MetricsDict = dict[metric_types.MetricKey, Any]


def run(
    config: Config, labels: Values, models: dict[str, Values], columns: dict[str, Column], folder: Path
) -> dict[SliceKey, MetricsDict]:
    """Evaluate predictions that are made already, write TFMA's output and read its numbers back."""
    asked = eval_config(config, with_champion=CHAMPION in models, plots=True)
    batches = list(_batches(config, labels, models, columns))
    with beam.Pipeline(options=PipelineOptions(list(config.beam_options))) as pipeline:
        _ = (
            pipeline
            | "Scored rows" >> beam.Create(batches, reshuffle=False)
            | "Evaluate" >> tfma.ExtractEvaluateAndWriteResults(eval_config=asked, output_path=str(folder))
        )
    found = writer.load_and_deserialize_metrics(str(folder), output_file_format="tfrecord")
    return {slicer_lib.deserialize_slice_key(item.slice_key): _values(item) for item in found}


def _batches(
    config: Config, labels: Values, models: dict[str, Values], columns: dict[str, Column]
) -> Iterator[pa.RecordBatch]:
    """Cut the rows into record batches of the columns that TFMA needs."""
    truth = labels.astype(np.int64) if config.task == "multiclass_classification" else labels.astype(np.float32)
    arrays = {config.label: _lists(truth)}
    arrays |= {prediction_key(name): _lists(scores) for name, scores in models.items()}
    arrays |= {name: _values_of(column) for name, column in columns.items()}
    table = pa.Table.from_arrays(list(arrays.values()), list(arrays))
    yield from table.to_batches(max_chunksize=config.batch_size)


def _lists(values: NDArray[Any]) -> pa.Array:
    rows = values.reshape(len(values), -1)
    offsets = np.arange(len(rows) + 1) * rows.shape[1]
    return pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(np.ascontiguousarray(rows).ravel()))


def _values_of(column: Column) -> pa.Array:
    present = column.codes != MISSING
    offsets = np.concatenate([[0], np.cumsum(present)])
    flat = [column.values[code] for code in column.codes[present]]
    kind = pa.large_binary() if any(isinstance(value, str) for value in column.values) else None
    return pa.LargeListArray.from_arrays(
        pa.array(offsets), pa.array([v.encode() if isinstance(v, str) else v for v in flat], type=kind)
    )


def _values(item: Any) -> MetricsDict:
    plain = ((metric_types.MetricKey.from_proto(pair.key), pair.value) for pair in item.metric_keys_and_values)
    return {key: value.double_value.value for key, value in plain if value.HasField("double_value")}
