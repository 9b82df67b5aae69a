"""`mlops monitor`: exit codes, what is said, and alarms that become one fact each, however often they are sent."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from artifacts.feedback.findings import Alarm, Findings
from core.errors import MlopsError
from core.store import Store
from mlops.cli.production import monitor as verb
from mlops.triggers.service import Triggers

FINDINGS = Findings(
    model="flight_delay",
    champion="1@sha256:" + "0" * 64,
    as_of="2013-11-01T00:00:00Z",
    period=534,
    alarms=[Alarm(cause="drift", rule="drift: precip"), Alarm(cause="performance", rule="live auc")],
    undecided=[],
    not_measured=["errors and latency of the server"],
    live=None,
    points=[],
    deployments=[],
)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    outcome = SimpleNamespace(exit_code=3, as_json=lambda _: {"run_id": "r"})
    monkeypatch.setattr(verb, "_round", lambda *_: (outcome, FINDINGS, tmp_path / "report.html"))
    return Store(tmp_path)


def _invoke(store: Store, *options: str) -> dict[str, Any]:
    done = CliRunner().invoke(verb.monitor, ["flight_delay", "--json", *options], obj=store)
    assert done.exit_code == 3, done.output
    answer: dict[str, Any] = json.loads(done.output)
    return answer


def test_an_alarm_is_one_fact_however_often_it_is_sent(store: Store) -> None:
    first, again = _invoke(store, "--send"), _invoke(store, "--send")
    assert [fact["new"] for fact in first["facts"]] == [True, True]
    assert [fact["new"] for fact in again["facts"]] == [False, False]
    waiting = Triggers(store, {}).journal.waiting()
    assert sorted(one.fact.cause for one in waiting) == ["drift", "performance"]


def test_nothing_is_sent_unless_it_was_asked_for(store: Store) -> None:
    answer = _invoke(store)
    assert answer["facts"] == []
    assert answer["findings"]["not_measured"] == ["errors and latency of the server"]


def test_each_of_several_use_cases_is_monitored_also_after_one_that_failed(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = []

    def round_(_: Any, request: Any) -> Any:
        asked.append(request.usecase.name)
        if request.usecase.name == "penguins":
            raise MlopsError("nothing is in production yet")
        return SimpleNamespace(exit_code=3, as_json=lambda _: {}), FINDINGS, tmp_path / "report.html"

    monkeypatch.setattr(verb, "_round", round_)
    done = CliRunner().invoke(verb.monitor, ["penguins", "flight_delay", "--json", "--send"], obj=store)
    assert (asked, done.exit_code) == (["penguins", "flight_delay"], 1)
    assert "error: penguins: nothing is in production yet" in done.output
    assert len(Triggers(store, {}).journal.waiting()) == 2


def test_a_watch_runs_a_round_when_the_files_have_grown_and_survives_errors(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pins = iter(["a", "a", MlopsError("the handler does not answer"), "b", KeyboardInterrupt()])

    def pin(_: object) -> SimpleNamespace:
        found = next(pins)
        if isinstance(found, BaseException):
            raise found
        return SimpleNamespace(parameters={"snapshot": found})

    monkeypatch.setattr("time.sleep", lambda _: None)
    options = {"every": 0.1, "url": "", "secret_file": None}
    with pytest.raises(KeyboardInterrupt):
        request = SimpleNamespace(usecase=SimpleNamespace(name="flight_delay"))
        verb._watch(SimpleNamespace(store=store, pin=pin), [request], options, as_json=True)  # type: ignore[arg-type,list-item]
    printed = capsys.readouterr()
    assert printed.out.count('"run_id"') == 2
    assert "the handler does not answer" in printed.err
