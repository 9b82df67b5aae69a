"""The score of flight_delay over its real store, and defects planted into what is measured."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from artifacts.model.names import WEIGHTS
from artifacts.predictions.parity import PARITY
from core.source_commit import SourceCommit
from core.store import Store
from mlops.actions.scoring import scoring
from mlops.actions.scoring.measuring import live_quality, parity, retraining, schema_faults, trace
from mlops.actions.scoring.measuring.bench import Bench
from mlops.actions.scoring.rows import Score, Section
from mlops.actions.scoring.subject import Subject
from mlops.worlds.finished import run_to_end
from mlops.worlds.machine import workers
from mlops.worlds.world import RunRequest
from pipelines.config import find, load
from tests.e2e.conftest import LaptopAt

nightly = pytest.mark.nightly("trains flight_delay some sixty times")
pytestmark = pytest.mark.timeout(7200)


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory, laptop_at: LaptopAt) -> Subject:
    """flight_delay with a model in production."""
    home = tmp_path_factory.mktemp("scored")
    usecase = load(find("flight_delay"))
    outcome, _ = run_to_end(laptop_at(home), RunRequest(usecase))
    assert outcome.pushed is not None, outcome.headline
    return Subject(usecase, Store(home), SourceCommit("c" * 40, clean=True))


@pytest.fixture(scope="module")
def scored(subject: Subject) -> Score:
    return scoring.score(subject)


@nightly
def test_flight_delay_has_six_points_in_each_section(scored: Score) -> None:
    missing = {result.row.id: result.why for result in scored.results if result.verdict < 1}
    assert min(scored.points(section) for section in Section) >= 6, missing


@nightly
def test_no_worker_waits_where_none_may(subject: Subject, scored: Score) -> None:
    assert scored.results
    assert workers.waiting(subject.store) == []


@nightly
def test_what_was_measured_is_not_measured_again(subject: Subject, scored: Score) -> None:
    notes: list[str] = []
    again = scoring.score(replace(subject), note=notes.append)
    assert notes == []
    assert [one.verdict for one in again.results] == [one.verdict for one in scored.results]


@nightly
def test_the_page_and_the_json_have_every_row(subject: Subject, scored: Score) -> None:
    facts = scoring.as_json(subject, scored)
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    page = scoring.write_page(subject, scored)
    assert len(facts["rows"]) == page.read_text(encoding="utf-8").count("<summary>") == 28


@pytest.fixture
def broken(subject: Subject, tmp_path: Path) -> Callable[[Callable[[Subject], None]], Subject]:
    """Copy store and use case, and plant a defect in the copies."""

    def plant(change: Callable[[Subject], None]) -> Subject:
        sockets = shutil.ignore_patterns("*.sock")  # of processes that wait for the next run
        shutil.copytree(subject.store.root, tmp_path / "store", symlinks=True, ignore=sockets)
        shutil.copytree(subject.usecase.folder, tmp_path / "flight_delay")
        copied = replace(subject, usecase=load(tmp_path / "flight_delay"), store=Store(tmp_path / "store"))
        change(copied)
        return replace(copied, usecase=load(tmp_path / "flight_delay"))

    return plant


def _measured(measure: Callable[[Bench], dict[str, Any]], subject: Subject) -> dict[str, Any]:
    with Bench(subject) as bench:
        return measure(bench)


@nightly
def test_a_weight_that_the_training_did_not_make_is_found(broken: Callable[..., Subject]) -> None:
    def plant(subject: Subject) -> None:
        path = Bench(subject).trained_model / WEIGHTS
        with np.load(path) as found:
            weights = dict(found)
        name = sorted(weights)[0]
        weights[name].reshape(-1)[0] += 1e-6
        np.savez(path, **weights)

    assert len(_measured(retraining.measure, broken(plant))["different_weights"]) == 1


@nightly
def test_a_rule_that_finds_nothing_is_found(broken: Callable[..., Subject]) -> None:
    def plant(subject: Subject) -> None:
        text = subject.schema_path.read_text(encoding="utf-8")
        subject.schema_path.write_text(text.replace("min_domain_mass: 0.99", "min_domain_mass: 0.3"), encoding="utf-8")

    missed = _measured(schema_faults.measure, broken(plant))["missed"]
    assert missed == ["carrier: unknown value", "dest: unknown value"]


@nightly
def test_an_answer_that_is_not_the_evaluations_is_found(broken: Callable[..., Subject]) -> None:
    def plant(subject: Subject) -> None:
        folder = subject.artifact("evaluate_model", "evaluation")
        assert folder is not None
        first, *others = (folder / PARITY).read_text(encoding="utf-8").splitlines()
        row = json.loads(first) | {"predictions": [0.99]}
        (folder / PARITY).write_text("\n".join([json.dumps(row), *others]) + "\n", encoding="utf-8")

    assert _measured(trace.measure, broken(plant))["different"] == 1


@nightly
def test_a_model_that_is_served_with_other_weights_is_found(broken: Callable[..., Subject]) -> None:
    def plant(subject: Subject) -> None:
        """Train with another seed than the run's: as if the exported model were not the trained one."""
        path = subject.store.runs / subject.training_runs[0].run_id / "record.json"
        record = json.loads(path.read_text(encoding="utf-8"))
        (task,) = (one for one in record["tasks"] if one["stage"] == "train_model")
        task["parameters"]["config"]["seed"] += 1
        path.write_text(json.dumps(record), encoding="utf-8")

    facts = _measured(parity.measure, broken(plant))
    assert facts["float32_steps"] > facts["allowed"]


@nightly
def test_a_monitor_that_notices_nothing_is_found(broken: Callable[..., Subject]) -> None:
    def plant(subject: Subject) -> None:
        path = subject.usecase.folder / "config.yaml"
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
        settings["monitor_model"]["max_drop"] = {"auc": 0.5}
        settings["problem"]["metrics"][0]["at_least"] = 0.1
        path.write_text(yaml.safe_dump(settings), encoding="utf-8")

    facts = _measured(live_quality.measure, broken(plant))
    assert facts["windows_to_alarm"] > live_quality.DRIFTED_WINDOWS
