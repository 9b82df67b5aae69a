"""28 planted defects, one per row: each is found by its row, which says what is wrong."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from artifacts.model.names import WEIGHTS
from core.backends.local_registry import LocalRegistry
from core.decision import Verdict
from core.source_commit import SourceCommit
from core.store import Store
from mlops.actions.scoring.rows import ABSENT, AUTOMATED, result_of
from mlops.actions.scoring.subject import Subject
from mlops.actions.scoring.table import ROWS
from mlops.runs.record import Run, State
from serving.rollout import comparison
from tests.unit.actions.scoring.healthy import Healthy

Plant = Callable[[Healthy], None]
_BY_ID = {row.id: row for row in ROWS}


def _replaced(name: str, before: str, after: str) -> Plant:
    """Replace a text in a file of the use case."""

    def plant(made: Healthy) -> None:
        path = made.folder / name
        text = path.read_text(encoding="utf-8")
        assert before in text
        path.write_text(text.replace(before, after, 1), encoding="utf-8")

    return plant


def _facts(measurement: str, **facts: Any) -> Plant:
    return lambda made: made.change_facts(measurement, **facts)


def _failed(stage: str, rule: str) -> Plant:
    return lambda made: made.change_decision(stage, rule)


def _harmful(made: Healthy) -> None:
    features = {feature.name: {"low": 0.0, "gain": 0.01, "high": 0.02} for feature in made.subject().serving_features}
    made.change_facts("ablation", features=features | {"hour": {"low": -0.04, "gain": -0.03, "high": -0.02}})


def _costly(made: Healthy) -> None:
    features = {"dest": {"nanoseconds": 90_000.0, "vocabulary_bytes": 400}}
    made.change_facts("feature_costs", features=features)


def _forbidden(made: Healthy) -> None:
    path = made.folder / "schema.pbtxt"
    path.write_text(path.read_text(encoding="utf-8") + 'feature { name: "dep_delay" type: FLOAT }\n', encoding="utf-8")


def _leak(made: Healthy) -> None:
    (made.store.runs / "flights-level1-1" / "log.txt").write_text("a row: canary-0123456789abcdef\n", encoding="utf-8")


def _better_point(made: Healthy) -> None:
    path = made.store.root / "artifacts" / "tune" / "tuning" / "tuning.json"
    tuning = json.loads(path.read_text(encoding="utf-8"))
    tuning["gain"] = {"tuned": 0.75, "default": 0.7, "value": 0.05, "low": 0.03, "high": 0.07}
    path.write_text(json.dumps(tuning), encoding="utf-8")


def _waived(settings: Any) -> None:
    push = settings["push_model"]
    push["requires"].remove("evaluate_model")
    push["waives"] = {"evaluate_model": "it takes too long, says somebody"}


def _unfinished(run: Run) -> Run:
    first, *others = run.tasks
    return replace(run, tasks=(replace(first, state=State.FAILED), *others))


def _optional_carrier(made: Healthy) -> None:
    """Let the schema say that a row may lack what the server needs."""
    needed = 'name: "carrier"\n  type: BYTES\n  presence { min_fraction: 1.0'
    _replaced("schema.pbtxt", needed, needed.replace("1.0", "0.5"))(made)


def _slow(run: Run) -> Run:
    tasks = tuple(replace(task, seconds=36_000.0) if task.stage == "train_model" else task for task in run.tasks)
    return replace(run, tasks=tasks)


def _damaged(made: Healthy) -> None:
    """Damage the version before the one in production: it could not be put back."""
    (made.store.models / "flights" / "1" / "saved_model.pb").write_bytes(b"another graph")


def _relocked(made: Healthy) -> None:
    path = made.root / "uv.lock"
    text = path.read_text(encoding="utf-8")
    start = text.index('name = "click"\nversion = ')
    end = text.index("\n", start + len('name = "click"\n'))
    path.write_text(f'{text[:start]}name = "click"\nversion = "0.0.1"{text[end:]}', encoding="utf-8")


def _poisoned(made: Healthy) -> None:
    """Put a version with a weight that is not a number into production."""
    registry = LocalRegistry(made.store.models)
    champion = registry.champion("flights")
    assert champion is not None
    folder = made.root / "poisoned"
    shutil.copytree(champion.path, folder, ignore=shutil.ignore_patterns("manifest.json"))
    with np.load(folder / WEIGHTS) as weights:
        values = dict(weights)
    values["kernel"][0, 0] = np.nan
    np.savez(folder / WEIGHTS, **values)
    registry.promote("flights", registry.publish("flights", folder, champion.about).version)


DEFECTS: dict[str, tuple[Plant, str]] = {
    "D1": (_replaced("schema.pbtxt", "int_domain { min: 0 max: 23 }", ""), "hour"),
    "D2": (_harmful, "hour does not surely lower"),
    "D3": (_costly, "dest: nanoseconds"),
    "D4": (_forbidden, "dep_delay"),
    "D5": (_leak, "canary"),
    "D6": (_facts("new_feature", files=["module.py", "schema.pbtxt", "config.yaml", "data.py"]), "files"),
    "D7": (_facts("feature_tests", coverage=0.4, missing="61, 62"), "lines and branches"),
    "M1": (lambda _: None, "every change committed"),  # the sources are given with changes
    "M2": (_facts("correlation", correlation=0.2), "rank correlation"),
    "M3": (_better_point, "surely better"),
    "M4": (_facts("staleness", losses=[{"age": 2, "low": 0.01}, {"age": 3, "low": 0.2}]), "oldest"),
    "M5": (_failed("evaluate_model", "gain in AUC over linear"), "gain in AUC over linear"),
    "M6": (_failed("evaluate_model", "auc >= 0.55"), "carrier=UA"),
    "M7": (_failed("measure_fairness", "selection_rate"), "selection_rate"),
    "I1": (_facts("retraining", different_weights=["hidden_0/kernel"]), "hidden_0/kernel"),
    "I2": (
        _facts("specification", tests={"the loss falls": {"passed": False, "observed": "0.5 to 0.9"}}),
        "the loss falls",
    ),
    "I3": (lambda made: made.change_run(_unfinished), "ingest-examples"),
    "I4": (lambda made: made.change_config(_waived), "evaluate_model"),
    "I5": (_facts("trace", different=1), "differ from the evaluation"),
    "I6": (_failed("validate_infra", "32 real rows"), "real rows are answered"),
    "I7": (_damaged, "intact"),
    "Mon1": (_relocked, "click"),
    "Mon2": (_optional_carrier, "carrier"),
    "Mon3": (_facts("parity", float32_steps=900.0), "float32"),
    "Mon4": (_facts("stale_model", after=5), "one run starts"),
    "Mon5": (_poisoned, "kernel"),
    "Mon6": (lambda made: made.change_run(_slow), "minutes of the training"),
    "Mon7": (_facts("live_quality", false_alarms=7), "false alarms"),
}


def test_there_is_a_defect_for_each_of_28_rows() -> None:
    assert list(DEFECTS) == [row.id for row in ROWS]
    assert len(DEFECTS) == 28


@pytest.mark.parametrize("id_", DEFECTS)
def test_a_row_has_its_point_on_a_healthy_project_and_none_with_its_defect(
    id_: str, made: Healthy, copied: Callable[[], Healthy]
) -> None:
    row, (plant, named) = _BY_ID[id_], DEFECTS[id_]
    healthy = result_of(row, made.subject())
    assert healthy.verdict == AUTOMATED, healthy.why
    broken = copied()
    plant(broken)
    found = result_of(row, broken.subject(clean=id_ != "M1"))
    assert found.verdict == ABSENT, found.why
    assert named in found.why
    assert found.raised_by


def test_a_canary_that_lets_failures_through_is_found(made: Healthy, monkeypatch: pytest.MonkeyPatch) -> None:
    """The defect is in the program: its comparison of failures passes everything."""
    monkeypatch.setattr(
        comparison, "errors", lambda *_: comparison._check("errors", "none", is_bad=False, is_good=True)
    )
    found = result_of(_BY_ID["I6"], made.subject())
    assert found.verdict == ABSENT
    assert "fails one request in ten" in found.why


def test_without_evidence_no_row_has_its_point(made: Healthy, tmp_path: Path) -> None:
    empty = Subject(made.usecase, Store(tmp_path / "store"), SourceCommit("", clean=False), tmp_path)
    results = [result_of(row, empty) for row in ROWS]
    assert [result.row.id for result in results if result.verdict == AUTOMATED] == []
    assert all(result.raised_by for result in results if result.findings.worst is not None)


def test_a_measurement_of_an_earlier_model_counts_as_done_by_hand(copied: Callable[[], Healthy]) -> None:
    project = copied()
    path = project.folder / "module.py"
    path.write_text(path.read_text(encoding="utf-8") + "\nCHANGED = 1\n", encoding="utf-8")
    found = result_of(_BY_ID["D2"], project.subject())
    assert found.verdict == 0.5
    assert "code changed" in found.why


def test_a_check_that_is_undecided_is_no_point(made: Healthy, copied: Callable[[], Healthy]) -> None:
    project = copied()
    shutil.rmtree(project.subject().folder)
    found = result_of(_BY_ID["I1"], project.subject())
    assert found.verdict == ABSENT
    assert found.findings.worst is not None
    assert found.findings.worst.verdict is Verdict.UNDECIDED
    assert "mlops score" in found.raised_by
