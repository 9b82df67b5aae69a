"""Computes TFMA's metrics on Beam: workers hand in scored rows as record batches, and metrics alone come back."""

from collections.abc import Collection, Iterable, Iterator, Mapping
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
from tensorflow_model_analysis.slicer import slicer_lib
from tensorflow_model_analysis.writers import metrics_plots_and_validations_writer as writer

from adapters.beam_work import Keep
from artifacts.evaluation import tfma_output
from artifacts.evaluation.columns import MISSING
from artifacts.evaluation.eval_config import WEIGHT, prediction_key
from artifacts.evaluation.scored_rows import ScoredRows
from artifacts.evaluation.slices import Column, SliceKey
from artifacts.evaluation.spec import EvaluationSpec, Features
from core.object_stores import locations
from core.object_stores.locations import Location
from problems import kind

MetricsDict = dict[metric_types.MetricKey, Any]
_METRICS, _PLOTS = "metrics", "plots"


class Evaluate(beam.PTransform):  # type: ignore[misc]  # Beam has no types
    """Computes the metrics of record batches of scored rows, and keeps them in a folder."""

    def __init__(self, config: tfma.EvalConfig, kept: Mapping[Features, Collection[SliceKey]], work: Location) -> None:
        """Take TFMA's configuration; `kept` are the slices, by sorted features, of the crosses that have too many."""
        super().__init__()
        self._config = config
        self._kept = {features: frozenset(keys) for features, keys in kept.items()}
        self._work = work

    def expand(self, batches: Any) -> Any:
        """Build the graph."""
        evaluated = batches | "Extracts" >> tfma.BatchedInputsToExtracts()
        evaluated |= "Evaluate" >> tfma.ExtractAndEvaluate(
            extractors=tfma.default_extractors(eval_config=self._config),
            evaluators=tfma.default_evaluators(eval_config=self._config),
        )
        for name, convert in ((_METRICS, _metrics_proto), (_PLOTS, _plots_proto)):
            if name not in evaluated:
                continue
            # All slices of one evaluation are one file: they are few, whatever the number of rows.
            _ = (
                evaluated[name]
                | f"Wanted {name}" >> beam.Filter(_is_wanted, self._kept)
                | f"Serialize {name}" >> beam.Map(convert)
                | f"Gather {name}" >> beam.CombineGlobally(beam.combiners.ToListCombineFn())
                | f"Frame {name}" >> beam.Map(_framed, name)
                | f"Keep {name}" >> beam.ParDo(Keep(self._work))
            )
        return evaluated


def read(work: Location, config: tfma.EvalConfig, folder: Path) -> dict[SliceKey, MetricsDict]:
    """Return the metrics by slice, and write TFMA's files to a folder of this machine."""
    found = {}
    metrics, plots = [], []
    for record in _records(work, _METRICS):
        item = metrics_for_slice_pb2.MetricsForSlice.FromString(record)
        found[slicer_lib.deserialize_slice_key(item.slice_key)] = _values(item)
        metrics.append(record)
    plots = list(_records(work, _PLOTS))
    tfma_output.write_serialized(folder, config, metrics, plots)
    return found


def record_batches(spec: EvaluationSpec, scored: ScoredRows, batch_rows: int = 8192) -> Iterator[pa.RecordBatch]:
    """Yield scored rows as record batches with the columns that TFMA needs."""
    arrays = {spec.label: _lists(kind(spec.task).tfma_label(scored.labels))}
    arrays |= {prediction_key(name): _lists(scores) for name, scores in scored.models.items()}
    arrays |= {name: _values_of(column) for name, column in scored.columns.items() if name != spec.label}
    if scored.weights is not None:
        arrays[WEIGHT] = _lists(scored.weights.astype(np.float32))
    table = pa.Table.from_arrays(list(arrays.values()), list(arrays))
    yield from table.to_batches(max_chunksize=batch_rows)


def _is_wanted(element: tuple[SliceKey, Any], kept: Mapping[Features, frozenset[SliceKey]]) -> bool:
    key = element[0]
    features = tuple(name for name, _ in key)
    return features not in kept or tuple(key) in kept[features]


def _metrics_proto(element: tuple[SliceKey, Any]) -> bytes:
    content: bytes = writer.convert_slice_metrics_to_proto(element, None).SerializeToString(deterministic=True)
    return content


def _plots_proto(element: tuple[SliceKey, Any]) -> bytes:
    content: bytes = writer.convert_slice_plots_to_proto(element, None).SerializeToString(deterministic=True)
    return content


def _framed(records: Iterable[bytes], name: str) -> tuple[str, bytes]:
    """Return the file of some messages, in the order of their bytes: workers hand them in in any order."""
    return name, b"".join(len(record).to_bytes(8, "little") + record for record in sorted(records))


def _records(work: Location, name: str) -> Iterator[bytes]:
    try:
        content = locations.read(locations.join(work, name))
    except FileNotFoundError:
        return
    start = 0
    while start < len(content):
        end = start + 8 + int.from_bytes(content[start : start + 8], "little")
        yield content[start + 8 : end]
        start = end


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
