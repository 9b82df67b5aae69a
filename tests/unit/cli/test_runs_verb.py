"""`mlops runs show` finds a run by what a person knows of it, and shows a gate check by check."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from core.store import Store
from mlops.cli.main import cli
from pipelines.kinds import Kind
from tests.unit.actions.lived_store import CLOSED, OPEN, add_run


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path)
    add_run(store, 1, Kind.MONITORING, OPEN, reason="", report="", tasks=[])
    add_run(store, 2, Kind.MONITORING, CLOSED, reason="", report="", tasks=[])
    return store


def _show(store: Store, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["runs", "show", *arguments], env={"MLOPS_HOME": str(store.root)})


def test_the_newest_run_is_found(store: Store) -> None:
    assert "monitoring 2 ended." in _show(store, "newest").stdout
    assert "monitoring 1 ended." in _show(store, "flight-delay-monitoring-1").stdout


def test_a_gate_is_shown_check_by_check(store: Store) -> None:
    closed = _show(store, "newest", "--gate", "monitor_model").stdout
    assert "fail  auc >= 0.62: 0.55" in closed
    assert "Train again: mlops run flight_delay" in closed
    passed = json.loads(_show(store, "flight-delay-monitoring-1", "--gate", "monitor_model", "--json").stdout)
    assert (passed["gate"], passed["verdict"]) == ("monitor_model", "pass")


def test_a_gate_that_did_not_decide_and_a_run_that_is_not_there_are_errors(store: Store) -> None:
    assert "did you mean 'monitor_model'" in str(_show(store, "newest", "--gate", "monitor_modl").exception)
    assert "no run 'flight_delay' that has ended" in str(_show(store, "flight_delay").exception)
