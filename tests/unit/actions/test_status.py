"""`mlops status` answers from what is on the disk, changes nothing, and imports nothing heavy."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from core.backends import rollout
from core.backends.canary import CanaryPlan, Note
from core.backends.registry import open_registry
from core.decision import Bound, Decision, compare
from core.errors import UsageError
from core.store import Store
from mlops.actions.monitoring_page import page_of
from mlops.actions.status import elapsed, statuses
from mlops.cli.status import status as verb
from mlops.runs.record import State
from mlops.triggers.fact import event_of
from mlops.triggers.handler import Rejected
from mlops.triggers.service import Triggers
from pipelines.config import find
from pipelines.kinds import Kind
from tests.unit.actions.lived_store import CLOSED, NOW, OPEN, add_run


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def _publish(store: Store, saved_model: Path) -> None:
    registry = open_registry(store.registry)
    registry.promote("flight_delay", registry.publish("flight_delay", saved_model, {}).version)


@pytest.fixture
def saved_model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    return folder


def test_an_empty_store_has_no_state_and_stays_empty(store: Store) -> None:
    assert statuses(store, "", NOW.timestamp()) == []
    (found,) = statuses(store, "flight_delay", NOW.timestamp())
    assert (found.in_production, found.runs, found.alarms, found.dead_letters) == (None, (), (), ())
    assert not store.root.exists()
    shown = CliRunner().invoke(verb, [], obj=store)
    assert (shown.exit_code, "train a first model with: mlops run flight_delay" in shown.output) == (0, True)
    with pytest.raises(UsageError, match="did you mean 'flight_delay'"):
        add_run(store, 1, Kind.TRAINING, OPEN)
        statuses(store, "flight_dely", NOW.timestamp())


def test_everything_that_a_person_asks_first_is_there(store: Store, saved_model: Path) -> None:
    for number in range(1, 8):
        add_run(store, number, Kind.TRAINING, OPEN)
    add_run(store, 9, Kind.MONITORING, CLOSED)
    add_run(store, 10, Kind.INFERENCE, OPEN, state=State.FAILED)
    _publish(store, saved_model)
    triggers = Triggers(store, {"flight_delay": find("flight_delay")}, NOW.timestamp)
    triggers.handler.take(event_of("drift", "flight_delay", source="/m", id_="1", now=NOW.timestamp()))
    with pytest.raises(Rejected):
        triggers.handler.take(event_of("manual", "penguins", source="/m", id_="2", now=NOW.timestamp()))
    found, other = statuses(store, "", NOW.timestamp())
    assert found.in_production is not None
    assert (found.in_production.version, found.in_production.action) == (1, "promote")
    assert [run.run_id.rpartition("-")[2] for run in found.runs] == ["10", "9", "7", "6", "5"]
    assert [run.verdict for run in found.runs] == ["fail", "fail", "pass", "pass", "pass"]
    assert [(one.schedule, one.at) for one in found.next] == [("retrain", "2026-03-02T06:00:00+00:00")]
    assert {(one.source, one.next_step) for one in found.alarms} == {
        ("monitor_model", "Train again: mlops run flight_delay"),
        ("flight-delay-inference-10", "Look at it."),
    }
    assert "auc >= 0.62: observed 0.55" in {one.what for one in found.alarms}
    assert found.waiting_facts == 1
    assert (other.usecase, len(other.dead_letters)) == ("penguins", 1)


def test_an_alarm_is_over_when_a_newer_run_of_its_kind_has_passed(store: Store) -> None:
    add_run(store, 1, Kind.MONITORING, CLOSED)
    assert statuses(store, "flight_delay", NOW.timestamp())[0].alarms
    add_run(store, 2, Kind.MONITORING, OPEN)
    assert not statuses(store, "flight_delay", NOW.timestamp())[0].alarms


def test_a_check_that_waits_for_more_rows_is_no_alarm_but_is_shown(store: Store) -> None:
    add_run(store, 1, Kind.MONITORING, Decision.of("monitor_model", (compare("auc", None, Bound(at_least=0.62)),)))
    (found,) = statuses(store, "flight_delay", NOW.timestamp())
    assert [alarm.verdict for alarm in found.alarms] == ["undecided"]
    assert page_of(store, found, NOW.timestamp()).headline == "The monitor could not decide"
    assert "  undecided" in CliRunner().invoke(verb, ["flight_delay"], obj=store).output


def test_a_canary_and_what_became_of_it(store: Store, saved_model: Path) -> None:
    _publish(store, saved_model)
    (saved_model / "saved_model.pb").write_bytes(b"another graph")
    registry = open_registry(store.registry)
    tried = registry.publish("flight_delay", saved_model, {})
    running = rollout.begin(registry, "flight_delay", tried.version, CanaryPlan(), Note())
    (found,) = statuses(store, "flight_delay", NOW.timestamp())
    assert found.in_production is not None and found.in_production.canary is not None
    assert (found.in_production.version, found.in_production.canary["version"]) == (1, 2)
    assert "canary: version 2 at 5 %" in CliRunner().invoke(verb, ["flight_delay"], obj=store).output
    slow = Decision.of("canary", (compare("slowdown", 3.0, Bound(at_most=1.5)),))
    rollout.conclude(registry, "flight_delay", running, slow, "server")
    (found,) = statuses(store, "flight_delay", NOW.timestamp())
    assert found.in_production is not None and found.in_production.canary is None
    assert [(one.source, "version 2 was aborted: slowdown <= 1.5" in one.what) for one in found.alarms] == [
        ("canary", True)
    ]


def test_a_registry_that_cannot_be_read_is_an_alarm_and_no_end(store: Store, saved_model: Path) -> None:
    _publish(store, saved_model)
    pointer = store.models / "flight_delay" / "champion.json"
    assert pointer.is_file()
    pointer.write_text("{")
    (found,) = statuses(store, "flight_delay", NOW.timestamp())
    assert (found.in_production, [one.source for one in found.alarms]) == (None, ["registry"])


def test_machines_get_the_same_facts(store: Store, saved_model: Path) -> None:
    add_run(store, 1, Kind.MONITORING, CLOSED)
    _publish(store, saved_model)
    shown = CliRunner().invoke(verb, ["flight_delay", "--json"], obj=store)
    (found,) = json.loads(shown.output)["usecases"]
    assert found["in_production"]["version"] == 1
    assert found["alarms"][0]["source"] == "monitor_model"
    text = CliRunner().invoke(verb, ["flight_delay"], obj=store).output
    assert len(text.splitlines()) < 24, "one screen"
    for wanted in ("version 1", "auc >= 0.62", "Train again", "schedule retrain"):
        assert wanted in text


def test_a_page_is_about_one_use_case(store: Store, tmp_path: Path) -> None:
    add_run(store, 1, Kind.MONITORING, CLOSED)
    page = tmp_path / "out" / "monitoring.html"
    CliRunner().invoke(verb, ["flight_delay", "--html", str(page)], obj=store, catch_exceptions=False)
    assert "auc &gt;= 0.62" in page.read_text(encoding="utf-8")
    (store.runs).rename(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="a page is about one"):
        CliRunner().invoke(verb, ["--html", str(page)], obj=store, catch_exceptions=False)


def test_nothing_heavy_is_imported_to_answer(store: Store) -> None:
    add_run(store, 1, Kind.MONITORING, CLOSED)
    script = (
        "import sys; from click.testing import CliRunner; from mlops.cli.main import cli;"
        "done = CliRunner().invoke(cli, ['status', 'flight_delay', '--html', sys.argv[1]]);"
        "assert done.exit_code == 0, done.output;"
        "heavy = {'tensorflow', 'numpy', 'pandas', 'pyarrow', 'kfp', 'matplotlib'};"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, str(store.root / "page.html")],
        env={"MLOPS_HOME": str(store.root), "PATH": ""},
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert ran.stdout.strip() == "[]", ran.stderr


@pytest.mark.parametrize(
    ("since", "shown"),
    [("2026-03-01T11:59:30+00:00", "a moment"), ("2026-03-01T10:59:00+00:00", "1 hour"),
     ("2026-02-26T11:00:00+00:00", "3 days"), ("2026-03-02T00:00:00+00:00", "a moment")],
)  # fmt: skip
def test_time_since(since: str, shown: str) -> None:
    assert elapsed(since, NOW.timestamp()) == shown
