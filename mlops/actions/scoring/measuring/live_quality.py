"""Replays windows of labeled answers without a change, and windows whose labels mean something else, to the monitor."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from artifacts.evaluation.live import FEWEST, LiveMetrics
from artifacts.evaluation.spec import EvaluationSpec
from artifacts.examples.names import EVAL
from artifacts.feedback.report import Metric, VersionMetrics, Window
from artifacts.model import label as label_file
from artifacts.prediction_log.names import CHAMPION
from artifacts.predictions.labels import LabelReader
from components.monitor_model.config import Config
from components.monitor_model.evaluated import Evaluated
from components.monitor_model.performance import performance_checks
from core.decision import Verdict
from core.errors import MlopsError
from mlops.actions.scoring.measuring.bench import Bench
from mlops.actions.scoring.measuring.given_feedback import feedback_of
from problems import kind

CALM_WINDOWS = 100
DRIFTED_WINDOWS = 5
ROWS = 1000
"""Fewest labeled rows of a window; as many as the monitor asks for, where that is more."""
WRONG = 0.5
"""Share of the rows of a changed window whose label is that of another row."""
_BATCH = 8192


def measure(bench: Bench) -> dict[str, Any]:
    """Return the alarms in windows without a change, and the number of windows until a change is noticed."""
    config = bench.subject.usecase.monitor_model if bench.subject.usecase.has("monitor_model") else None
    if config is None:
        raise MlopsError("no section monitor_model: write it (docs/monitoring.md)")
    labels, scores = _answered(bench)
    if len(labels) < FEWEST:
        raise MlopsError(f"wanted {FEWEST} labeled rows, got {len(labels)}: widen ingest_examples.window")
    spec = EvaluationSpec(config.label, config.task, decision_threshold=config.decision_threshold)
    monitor = _Monitor(config, LiveMetrics(spec), bench, labels, scores)
    random = np.random.default_rng(0)
    calm = [monitor.is_alarm(random, wrong=0.0) for _ in range(CALM_WINDOWS)]
    changed = [monitor.is_alarm(random, wrong=WRONG) for _ in range(DRIFTED_WINDOWS)]
    return {
        "rows": monitor.rows,
        "calm_windows": len(calm),
        "false_alarms": sum(calm),
        "windows_to_alarm": changed.index(True) + 1 if True in changed else len(changed) + 1,
    }


class _Monitor:
    """The monitor's rules about live metrics."""

    def __init__(
        self, config: Config, live: LiveMetrics, bench: Bench, labels: NDArray[Any], scores: NDArray[Any]
    ) -> None:
        version = bench.subject.version
        assert version is not None
        self._config, self._live, self._version = config, live, version
        self._labels, self._scores = labels, scores
        self.rows = min(max(ROWS, config.min_rows), len(labels))
        label = label_file.read(version.path)
        assert label is not None
        self._evaluated = Evaluated(label, scores, live.numbers(labels, scores))

    def is_alarm(self, random: np.random.Generator, *, wrong: float) -> bool:
        """Draw a window, and say whether a rule fails on it."""
        chosen = random.choice(len(self._labels), self.rows)
        labels, scores = self._labels[chosen].copy(), self._scores[chosen]
        moved = np.flatnonzero(random.random(len(labels)) < wrong)
        labels[moved] = labels[random.permutation(moved)]
        found = self._live.intervals(labels, scores, self._config.confidence)
        metrics = {
            name: Metric(value=_number(gain.value), low=_number(gain.low), high=_number(gain.high))
            for name, gain in found.items()
        }
        version = self._version
        window = Window(start=version.created, end=version.created, rows=len(labels))
        live = VersionMetrics(version=version.version, role=CHAMPION, window=window, metrics=metrics)
        feedback = feedback_of(version, version.created, [live])
        checks = performance_checks(self._config, feedback, version.version, self._evaluated)
        return any(check.verdict is Verdict.FAIL for check in checks)


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _answered(bench: Bench) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return labels and scores of the eval split, as the model in production gives them."""
    version = bench.subject.version
    assert version is not None
    label = label_file.read(version.path)
    if label is None:
        raise MlopsError("the model in production does not say which label it was trained on")
    outputs, labels = [], []
    reader: LabelReader | None = None
    for block in bench.splits.blocks(EVAL, _BATCH):
        output = bench.champion(block.serialized)
        reader = reader or LabelReader(label, output.shape[1] if output.ndim == 2 else 2, version.path)
        labels.append(reader(block))
        outputs.append(output)
    return np.concatenate(labels), kind(label.task).scores(np.concatenate(outputs), label.output).values
