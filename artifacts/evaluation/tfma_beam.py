"""Computes TFMA's metrics in its own Beam pipeline, for data or metrics that do not fit one process."""

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

from artifacts.evaluation.columns import MISSING
from artifacts.evaluation.eval_config import WEIGHT, eval_config, prediction_key
from artifacts.evaluation.scored_rows import ScoredRows
from artifacts.evaluation.slices import Column, SliceKey
from artifacts.evaluation.spec import CHAMPION, EvaluationSpec
from problems import kind

MetricsDict = dict[metric_types.MetricKey, Any]


def run(spec: EvaluationSpec, scored: ScoredRows, folder: Path) -> dict[SliceKey, MetricsDict]:
    """Evaluate scored rows, write TFMA's output to `folder` and return its metrics by slice."""
    weighted = scored.weights is not None
    config = eval_config(spec, with_champion=CHAMPION in scored.models, plots=True, weighted=weighted)
    with beam.Pipeline(options=PipelineOptions(list(spec.beam_options or ()))) as pipeline:
        _ = (
            pipeline
            | "ScoredSplit rows" >> beam.Create(list(_batches(spec, scored)), reshuffle=False)
            | "Evaluate" >> tfma.ExtractEvaluateAndWriteResults(eval_config=config, output_path=str(folder))
        )
    found = writer.load_and_deserialize_metrics(str(folder), output_file_format="tfrecord")
    return {slicer_lib.deserialize_slice_key(item.slice_key): _values(item) for item in found}


def _batches(spec: EvaluationSpec, scored: ScoredRows) -> Iterator[pa.RecordBatch]:
    """Yield the rows as record batches with the columns that TFMA needs."""
    arrays = {spec.label: _lists(kind(spec.task).tfma_label(scored.labels))}
    arrays |= {prediction_key(name): _lists(scores) for name, scores in scored.models.items()}
    arrays |= {name: _values_of(column) for name, column in scored.columns.items() if name != spec.label}
    if scored.weights is not None:
        arrays[WEIGHT] = _lists(scored.weights.astype(np.float32))
    table = pa.Table.from_arrays(list(arrays.values()), list(arrays))
    yield from table.to_batches(max_chunksize=spec.batch_size)


def _lists(values: NDArray[Any]) -> pa.Array:
    rows = values.reshape(len(values), -1)
    offsets = np.arange(len(rows) + 1) * rows.shape[1]
    return pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(np.ascontiguousarray(rows).ravel()))


def _values_of(column: Column) -> pa.Array:
    present = column.codes != MISSING
    offsets = np.concatenate([[0], np.cumsum(present)])
    flat = [column.values[code] for code in column.codes[present]]
    dtype = pa.large_binary() if any(isinstance(value, str) for value in column.values) else None
    encoded = [value.encode() if isinstance(value, str) else value for value in flat]
    return pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(encoded, type=dtype))


def _values(item: Any) -> MetricsDict:
    plain = ((metric_types.MetricKey.from_proto(pair.key), pair.value) for pair in item.metric_keys_and_values)
    return {key: value.double_value.value for key, value in plain if value.HasField("double_value")}
