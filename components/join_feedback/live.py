"""Live metrics of each model version on the labels that are known."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import tensorflow as tf

from artifacts.evaluation.live import LiveMetrics
from artifacts.evaluation.spec import EvaluationSpec
from artifacts.feedback.report import Metric, VersionMetrics, Window
from artifacts.model import label as label_file
from artifacts.outcomes.reader import written
from artifacts.predictions.labels import LabelReader
from artifacts.predictions.split import Block
from components.join_feedback.config import Config
from components.join_feedback.table import Table
from core.backends.registry import open_registry
from core.errors import MlopsError
from problems import kind
from problems.kind import Gain
from problems.labels import TrainedLabel

_ROWS = (
    "SELECT scores, label FROM joined WHERE version = ? AND role = ? AND state = 'labeled' AND time > ? AND time <= ? "
    "ORDER BY time, key"
)


@dataclass
class Live:
    """Computes the live metrics of a model's versions."""

    config: Config
    table: Table
    name: str
    registry: str
    _labels: dict[int, tuple[TrainedLabel, Path]] = field(default_factory=dict)
    _metrics: LiveMetrics | None = None

    def metrics(self, version: int, role: str, start: int, end: int) -> VersionMetrics:
        """Compute the metrics of a version's labeled rows that were answered after `start`, up to `end`."""
        rows = list(self.table.select(_ROWS, version, role, start, end))
        window = Window(start=written(start), end=written(end), rows=len(rows))
        if not rows:
            return VersionMetrics(version=version, role=role, window=window)
        try:
            found = self._intervals(version, rows)
        except (MlopsError, tf.errors.OpError, ValueError) as error:
            return VersionMetrics(version=version, role=role, window=window, fault=str(error))
        metrics = {name: _metric(gain) for name, gain in sorted(found.items())}
        return VersionMetrics(version=version, role=role, window=window, metrics=metrics)

    def _intervals(self, version: int, rows: list[tuple[Any, ...]]) -> dict[str, Gain]:
        trained, folder = self._label(version)
        problem = kind(self.config.task)
        output = np.stack([np.frombuffer(scores, np.float32) for scores, _ in rows])
        shaped = problem.shaped(output, f"version {version} of {self.name}")
        scores = problem.scores(shaped, trained.output).values
        values = [label.encode() if isinstance(label, str) else label for _, label in rows]
        column = pa.array([[value] for value in values], pa.large_list(_arrow_type(values[0])))
        batch = pa.RecordBatch.from_arrays([column], [self.config.label])
        width = shaped.shape[1] if shaped.ndim == 2 else 2
        labels = LabelReader(trained, width, folder)(Block(tf.constant([]), batch))
        if faults := [one for one in problem.faults(labels, scores) if len(np.unique(labels)) > 1]:
            raise ValueError("; ".join(faults))
        if self._metrics is None:
            spec = EvaluationSpec(
                self.config.label, self.config.task, decision_threshold=self.config.decision_threshold
            )
            self._metrics = LiveMetrics(spec)
        return dict(self._metrics.intervals(labels, scores, self.config.confidence))

    def _label(self, version: int) -> tuple[TrainedLabel, Path]:
        """Return the label that a version was trained on; RegistryError when the registry lacks the version."""
        if version not in self._labels:
            folder = open_registry(self.registry).get(self.name, version).path
            label = label_file.read(folder)
            assumed = TrainedLabel(self.config.label, self.config.task, output=self.config.model_output)
            self._labels[version] = (label or assumed, folder)
        return self._labels[version]


def _arrow_type(value: Any) -> pa.DataType:
    if isinstance(value, bytes):
        return pa.large_binary()
    return pa.int64() if isinstance(value, int) else pa.float32()


def _metric(gain: Gain) -> Metric:
    value, low, high = (float(one) if math.isfinite(one) else None for one in (gain.value, gain.low, gain.high))
    return Metric(value=value, low=low, high=high)
