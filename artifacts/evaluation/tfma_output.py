"""Writes TFMA's files, which `tfma.load_eval_result` reads, and extracts plain numbers from its results."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_model_analysis as tfma
from google.protobuf import json_format
from tensorflow_model_analysis import version
from tensorflow_model_analysis.metrics import metric_types
from tensorflow_model_analysis.writers import metrics_plots_and_validations_writer as writer

from artifacts.evaluation.slices import SliceKey

MetricsDict = dict[metric_types.MetricKey, Any]


class Messages(NamedTuple):
    """A slice in TFMA's files, serialized."""

    metrics: bytes
    plots: bytes
    """Empty without plots."""

    @classmethod
    def of(cls, key: SliceKey, values: MetricsDict) -> "Messages":
        """Serialize the metrics and plots of a slice."""
        drawn = {name: value for name, value in values.items() if isinstance(name, metric_types.PlotKey)}
        metrics_only = {name: value for name, value in values.items() if name not in drawn}
        plots = writer.convert_slice_plots_to_proto((key, drawn), None).SerializeToString() if drawn else b""
        return cls(writer.convert_slice_metrics_to_proto((key, metrics_only), None).SerializeToString(), plots)


def write(folder: Path, config: tfma.EvalConfig, slices: Iterable[Messages]) -> None:
    """Write metrics, plots and the EvalConfig under the file names of TFMA's own pipeline."""
    folder.mkdir(parents=True, exist_ok=True)
    metrics, plots = zip(*slices, strict=True)
    for kind, messages in (("metrics", metrics), ("plots", filter(None, plots))):
        with tf.io.TFRecordWriter(str(folder / f"{kind}-00000-of-00001.tfrecord")) as file:
            for message in messages:
                file.write(message)
    run = tfma.proto.config_pb2.EvalRun(
        eval_config=config, version=version.VERSION, file_format="tfrecord", model_locations={"": ""}
    )
    (folder / "eval_config.json").write_text(json_format.MessageToJson(run), encoding="utf-8")


def plain(values: MetricsDict, model: str) -> dict[str, float]:
    """Return one model's scalar metrics of a slice by name, without plots and differences."""
    found = {}
    for key, value in values.items():
        if key.model_name != model or key.is_diff or isinstance(key, metric_types.PlotKey):
            continue
        number = _number(value)
        if number is not None:
            found[key.name] = number
    return found


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float | np.number) else None
