"""A planted fault is named by the check that should find it; a calm window passes, and few rows are neither."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import pytest

from artifacts.evaluation.columns import Values
from artifacts.feedback import report
from artifacts.feedback.findings import Findings
from artifacts.feedback.report import Delay, Feedback, Metric, VersionMetrics, Window
from components.compute_statistics.config import Config as StatisticsConfig
from components.compute_statistics.logic import compute
from components.monitor_model.config import Config, Staleness
from components.monitor_model.evaluated import Evaluated
from components.monitor_model.logic import Inputs, Outputs, monitor
from core import digest
from core.backends.registry import open_registry
from core.beam.settings import Beam
from core.decision import Decision, Verdict
from core.problem import Metric as ProblemMetric
from problems.labels import TrainedLabel
from tests.written_examples import write_examples

SCHEMA = """
feature { name: "late" type: INT presence { min_fraction: 1 } shape { dim { size: 1 } } not_in_environment: "SERVING"
  drift_comparator { infinity_norm { threshold: 0.2 } } skew_comparator { infinity_norm { threshold: 0.2 } } }
feature { name: "temp" type: FLOAT presence { min_fraction: 0.5 } value_count { min: 1 max: 1 }
  drift_comparator { jensen_shannon_divergence { threshold: 0.1 } }
  skew_comparator { jensen_shannon_divergence { threshold: 0.1 } } }
feature { name: "carrier" type: BYTES presence { min_fraction: 1 } shape { dim { size: 1 } }
  drift_comparator { infinity_norm { threshold: 0.1 } } skew_comparator { infinity_norm { threshold: 0.1 } } }
default_environment: "TRAINING"
default_environment: "SERVING"
"""
ROWS = 4000
AS_OF = "2013-11-01T00:00:00Z"
WINDOW = {"start": "2013-10-02T00:00:00Z", "end": AS_OF}


def table(seed: int, rows: int = ROWS) -> dict[str, Any]:
    chance = np.random.default_rng(seed)
    return {
        "temp": chance.normal(50, 10, rows).astype("f4").clip(10, 90),
        "carrier": chance.choice(["AA", "B6", "UA"], rows, p=[0.2, 0.3, 0.5]),
    }


def scores(seed: int, shift: float = 0.0, rows: int = ROWS) -> Values:
    return (np.random.default_rng(seed).beta(2, 5, rows) + shift).clip(0, 1).astype("f4")


@dataclass
class Scene:
    """Everything that a run of the monitor reads; a test plants one fault in it."""

    current: dict[str, Any]
    previous: dict[str, Any]
    answered: Values
    live: Metric
    labels: dict[str, int]
    evaluated: float = 0.72
    deployed: str = "2013-09-02T00:00:00Z"
    server: str = ""
    bounds: dict[str, float] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)


def calm() -> Scene:
    labels = {"rows": 4000, "labeled": 3000, "waiting": 900, "overdue": 100, "conflicting": 0, "before_prediction": 0}
    return Scene(table(1), table(2), scores(1), Metric(value=0.71, low=0.70, high=0.72), labels)


Monitor = Callable[[Scene], tuple[Decision, Findings]]


@pytest.fixture
def monitored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Monitor:
    schema = tmp_path / "schema.pbtxt"
    schema.write_text(SCHEMA)
    exported = tmp_path / "exported"
    exported.mkdir()
    (exported / "saved_model.pb").write_text("graph")
    version = open_registry(str(tmp_path / "models")).publish("flights", exported, {})
    reference = f"{schema}@{digest.of_file(schema)}"

    def statistics(name: str, splits: dict[str, dict[str, Any]]) -> str:
        (tmp_path / name).mkdir()
        tables = {split: pa.table(columns) for split, columns in splits.items() if len(columns["carrier"])}
        folder = write_examples(tmp_path / name, tables)
        compute(StatisticsConfig(), folder, reference, tmp_path / f"{name}-statistics", tmp_path / f"{name}.html")
        return str(tmp_path / f"{name}-statistics")

    def run(scene: Scene) -> tuple[Decision, Findings]:
        known = Evaluated(TrainedLabel("late", "binary_classification"), scores(9), {"auc": scene.evaluated})
        for function in ("logic.evaluated", "with_beam.evaluated_with_beam"):
            monkeypatch.setattr(f"components.monitor_model.{function}", lambda *_: known)
        folder = tmp_path / "feedback"
        report.scores_file(folder, 1).parent.mkdir(parents=True)
        np.save(report.scores_file(folder, 1), scene.answered.reshape(-1, 1))
        _feedback(scene, version.reference).write(folder)
        if scene.server:
            (folder / report.SERVER_METRICS).write_text(scene.server)
        training = statistics("training", {"train": table(0, 12_000)})
        served = statistics("served", {report.PREVIOUS: scene.previous, report.CURRENT: scene.current})
        inputs = Inputs(reference, str(tmp_path / "models"), str(tmp_path / "training"), training, served, str(folder))
        config = Config(
            staleness=Staleness(max_model_age_days=90, why="measured in a test"),
            max_drop={"auc": 0.05},
            skew_bounds=scene.bounds,
            label="late",
            task="binary_classification",
            metrics=(ProblemMetric(name="auc", at_least=0.6, why="a test of metrics"),),
            **scene.settings,
        )
        paths = [tmp_path / name for name in ("decision.json", "findings.json", "pictures.html")]
        decision = monitor(config, inputs, Outputs(*map(str, paths)))
        assert "Features" in paths[2].read_text(encoding="utf-8")
        return decision, Findings.read(paths[1])

    return run


def _feedback(scene: Scene, champion: str) -> Feedback:
    window = Window(**WINDOW, rows=3000)
    live = VersionMetrics(version=1, role="champion", window=window, metrics={"auc": scene.live})
    return Feedback(
        model="flights",
        champion=champion,
        as_of=AS_OF,
        read_from="2013-08-26T00:00:00Z",
        predictions={},
        outcomes={},
        keys={},
        labels=scene.labels,
        delay=Delay(),
        spans=[],
        pattern="spans/{YYYY}-{MM}.parquet",
        current=window,
        previous=window,
        mature=window,
        versions=[live],
        points=[live],
        deployments=[(1, scene.deployed)],
    )


def test_a_calm_window_passes_and_says_what_was_not_measured(monitored: Monitor) -> None:
    decision, findings = monitored(calm())
    assert decision.verdict is Verdict.PASS, decision.summary
    assert (findings.alarms, findings.undecided, findings.causes) == ([], [], [])
    assert "its metrics were not given" in findings.not_measured[0]
    assert decision.subject.startswith("sha256:")


def test_on_beam_a_sample_of_the_answers_is_compared_and_the_findings_say_so(monitored: Monitor) -> None:
    scene = calm()
    scene.settings = {"beam": Beam(engine="beam"), "sample_rows": 3000}
    decision, findings = monitored(scene)
    assert decision.verdict is Verdict.PASS, decision.summary
    assert findings.sampled == ["3,000 of 4,000 answered rows, drawn with seed 0"]


def _hot(scene: Scene) -> None:
    scene.current["temp"] = scene.current["temp"] * 0.3 + 60


def _other_carriers(scene: Scene) -> None:
    scene.current["carrier"] = np.random.default_rng(5).choice(["AA", "B6", "UA"], ROWS, p=[0.5, 0.3, 0.2])


def _new_carrier(scene: Scene) -> None:
    scene.current["carrier"] = np.where(np.arange(ROWS) % 20 == 0, "ZZ", scene.current["carrier"])


def _no_temperature(scene: Scene) -> None:
    scene.current["temp"] = pa.array([None if at % 4 == 0 else x for at, x in enumerate(scene.current["temp"])])


def _moved_before(scene: Scene) -> None:
    scene.previous["temp"] = scene.previous["temp"] * 0.3


def _other_scores(scene: Scene) -> None:
    scene.answered = scores(1, shift=0.3)


def _worse(scene: Scene) -> None:
    scene.live = Metric(value=0.65, low=0.64, high=0.66)


def _below_the_bound(scene: Scene) -> None:
    scene.live, scene.evaluated = Metric(value=0.58, low=0.57, high=0.59), 0.6


def _old(scene: Scene) -> None:
    scene.deployed = "2013-08-02T00:00:00Z"


def _no_outcomes(scene: Scene) -> None:
    scene.labels |= {"labeled": 1000, "overdue": 2100}


def _errors(scene: Scene) -> None:
    scene.server = 'mlops_serving_requests_total{model="flights",code="200"} 90\n'
    scene.server += 'mlops_serving_requests_total{model="flights",code="500"} 10\n'
    scene.server += 'mlops_serving_request_seconds_bucket{model="flights",le="0.1"} 100\n'


PLANTED = [
    (_hot, "drift", "skew: difference of temp from the training data <= "),
    (_other_carriers, "drift", "skew: difference of carrier"),
    (_new_carrier, "drift", "new values: share of the values of carrier"),
    (_no_temperature, "drift", "missing: change of the share of rows without temp"),
    (_moved_before, "drift", "drift: difference of temp from the window before"),
    (_other_scores, "drift", "predictions: difference of the scores"),
    (_worse, "performance", "live auc >= 0.67, which is 0.05 below its evaluation's 0.72"),
    (_below_the_bound, "performance", "live auc >= 0.6"),
    (_old, "performance", "age: days of version 1"),
    (_no_outcomes, None, "labels: share of due labels"),
    (_errors, None, "server: share of requests"),
]


@pytest.mark.parametrize(("plant", "cause", "rule"), PLANTED, ids=lambda value: getattr(value, "__name__", None))
def test_a_planted_fault_raises_its_alarm(
    monitored: Monitor, plant: Callable[[Scene], None], cause: str | None, rule: str
) -> None:
    scene = calm()
    plant(scene)
    decision, findings = monitored(scene)
    assert decision.verdict is Verdict.FAIL
    found = [alarm for alarm in findings.alarms if alarm.rule.startswith(rule)]
    assert [alarm.cause for alarm in found] == [cause], [alarm.rule for alarm in findings.alarms]
    assert f"{found[0].rule}: observed " in str(found[0])


def _few_rows(scene: Scene) -> None:
    scene.current = {name: values[:100] for name, values in scene.current.items()}


def _no_rows(scene: Scene) -> None:
    scene.current = scene.previous = {name: values[:0] for name, values in scene.current.items()}


def _enough_for_a_look_but_not_for_the_bound(scene: Scene) -> None:
    scene.current = {name: values[:600] for name, values in scene.current.items()}
    scene.bounds = {"carrier": 0.05}


def _few_labels(scene: Scene) -> None:
    scene.live = Metric(value=0.5)


def _perhaps_worse(scene: Scene) -> None:
    scene.live = Metric(value=0.66, low=0.64, high=0.68)


def _no_window_before(scene: Scene) -> None:
    scene.previous = {name: values[:0] for name, values in scene.previous.items()}


UNDECIDED = [
    (_few_rows, "the newest window has at least 500"),
    (_no_rows, "the newest window has at least 500"),
    (_enough_for_a_look_but_not_for_the_bound, "skew: difference of carrier"),
    (_few_labels, "live auc >= 0.6: too few labels"),
    (_perhaps_worse, "live auc >= 0.67, which is 0.05 below its evaluation's 0.72"),
    (_no_window_before, "the window before the newest"),
]


@pytest.mark.parametrize(("plant", "rule"), UNDECIDED, ids=lambda value: getattr(value, "__name__", None))
def test_too_few_rows_or_labels_are_neither_an_alarm_nor_a_pass(
    monitored: Monitor, plant: Callable[[Scene], None], rule: str
) -> None:
    scene = calm()
    plant(scene)
    decision, findings = monitored(scene)
    assert decision.verdict is Verdict.UNDECIDED, [alarm.rule for alarm in findings.alarms]
    assert any(line.startswith(rule) for line in findings.undecided), findings.undecided
