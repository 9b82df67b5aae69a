"""TFMA's own Beam pipeline, whose public API alone is used: the numbers that ours are held against."""

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow_hotfix  # noqa: F401
import apache_beam as beam
import numpy as np
import pyarrow as pa
import tensorflow_model_analysis as tfma
from numpy.typing import NDArray
from tensorflow_model_analysis.metrics import metric_types
from tensorflow_model_analysis.proto import metrics_for_slice_pb2
from tensorflow_model_analysis.writers import metrics_plots_and_validations_writer as writer

from adapters.beam_run import run
from adapters.beam_work import Keep
from artifacts.evaluation import tfma_output
from artifacts.evaluation.columns import MISSING
from artifacts.evaluation.eval_config import WEIGHT, eval_config, prediction_key
from artifacts.evaluation.scored_rows import ScoredRows
from artifacts.evaluation.slices import Column, SliceKey
from artifacts.evaluation.spec import CHAMPION, EvaluationSpec
from artifacts.evaluation.tfma_in_process import MetricsDict
from core.beam.settings import Runner
from problems import kind


def metrics_of(spec: EvaluationSpec, scored: ScoredRows, folder: Path) -> dict[SliceKey, MetricsDict]:
    """Return TFMA's metrics by slice, and write its files."""
    with_champion, weighted = CHAMPION in scored.models, scored.weights is not None
    config = eval_config(spec, with_champion=with_champion, plots=True, weighted=weighted)
    batches = list(_record_batches(spec, scored))

    def build(pipeline: beam.Pipeline) -> None:
        evaluated = pipeline | beam.Create(batches) | tfma.BatchedInputsToExtracts()
        evaluated |= tfma.ExtractAndEvaluate(
            extractors=tfma.default_extractors(eval_config=config),
            evaluators=tfma.default_evaluators(eval_config=config),
        )
        for name, convert in (
            ("metrics", writer.convert_slice_metrics_to_proto),
            ("plots", writer.convert_slice_plots_to_proto),
        ):
            if name in evaluated:
                messages = evaluated[name] | f"Serialize {name}" >> beam.Map(_serialized, convert)
                listed = messages | f"List {name}" >> beam.CombineGlobally(beam.combiners.ToListCombineFn())
                _ = listed | f"Pickle {name}" >> beam.Map(_named, name) | f"Keep {name}" >> beam.ParDo(Keep(folder))

    run(Runner(), build)
    found = dict(pickle.loads((folder / "metrics").read_bytes()))
    plots = dict(pickle.loads((folder / "plots").read_bytes())) if (folder / "plots").exists() else {}
    messages = [tfma_output.Messages(message, plots.get(key, b"")) for key, message in found.items()]
    tfma_output.write(folder, config, messages)
    return {key: _values(message) for key, message in found.items()}


def _serialized(element: tuple[SliceKey, Any], convert: Any) -> tuple[SliceKey, bytes]:
    return element[0], convert(element, None).SerializeToString(deterministic=True)


def _named(messages: list[Any], name: str) -> tuple[str, bytes]:
    return name, pickle.dumps(messages)


def _record_batches(spec: EvaluationSpec, scored: ScoredRows) -> Iterator[pa.RecordBatch]:
    arrays = {spec.label: _lists(kind(spec.task).tfma_label(scored.labels))}
    arrays |= {prediction_key(name): _lists(scores) for name, scores in scored.models.items()}
    arrays |= {name: _values_of(column) for name, column in scored.columns.items() if name != spec.label}
    if scored.weights is not None:
        arrays[WEIGHT] = _lists(scored.weights.astype(np.float32))
    yield from pa.Table.from_arrays(list(arrays.values()), list(arrays)).to_batches(max_chunksize=120)


def _lists(values: NDArray[Any]) -> pa.Array:
    rows = values.reshape(len(values), -1)
    offsets = np.arange(len(rows) + 1) * rows.shape[1]
    return pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(np.ascontiguousarray(rows).ravel()))


def _values_of(column: Column) -> pa.Array:
    present = column.codes != MISSING
    offsets = np.concatenate([[0], np.cumsum(present)])
    flat = [column.values[code] for code in column.codes[present]]
    encoded = [value.encode() if isinstance(value, str) else value for value in flat]
    dtype = pa.large_binary() if any(isinstance(value, str) for value in column.values) else None
    return pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(encoded, type=dtype))


def _values(message: bytes) -> MetricsDict:
    item = metrics_for_slice_pb2.MetricsForSlice.FromString(message)
    plain = ((metric_types.MetricKey.from_proto(pair.key), pair.value) for pair in item.metric_keys_and_values)
    return {key: value.double_value.value for key, value in plain if value.HasField("double_value")}
