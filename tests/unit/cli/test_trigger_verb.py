"""`mlops trigger`: what is sent is listed, what is refused says what would allow it, an open port needs a secret."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from core.errors import UsageError
from core.store import Store
from mlops.cli.trigger import trigger
from mlops.triggers.permitted import NotPermitted

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def call(*arguments: str) -> Result:
        result = CliRunner().invoke(trigger, arguments, obj=Store(tmp_path))
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return call


def _json(result: Result) -> Any:
    return json.loads(result.output)


def test_a_fact_that_is_sent_waits_and_is_the_same_fact_again(run: Run) -> None:
    sent = [_json(run("send", "flight_delay", "--id", "a", "--json")) for _ in range(2)]
    assert sent == [{"fact": "/mlops/trigger/send#a", "new": new} for new in (True, False)]
    (waiting,) = _json(run("list", "--json"))["waiting"]
    assert (waiting["usecase"], waiting["cause"], waiting["deliveries"]) == ("flight_delay", "manual", 2)
    assert "waits" in run("list").output


def test_a_slot_of_a_schedule_is_sent_by_the_schedules_name(run: Run) -> None:
    run("send", "flight_delay", "--cause", "schedule", "--schedule", "retrain", "--id", "2026-01-02")
    (waiting,) = _json(run("list", "--json"))["waiting"]
    assert waiting["schedule"] == "retrain"
    with pytest.raises(NotPermitted, match=r"schedules\.retrian is not there; did you mean 'retrain'"):
        run("send", "flight_delay", "--cause", "schedule", "--schedule", "retrian")


def test_what_is_not_configured_is_refused_at_the_keyboard_and_leaves_nothing(run: Run) -> None:
    with pytest.raises(NotPermitted, match=r"config\.yaml: triggers\.manual is not there: unset means not allowed"):
        run("send", "penguins")
    assert _json(run("list", "--json")) == {"waiting": [], "decisions": [], "dead_letters": []}
    assert "Nothing yet." in run("list").output
    assert "No dead letters." in run("list", "--dead").output


def test_an_event_in_a_file_is_sent(run: Run, tmp_path: Path) -> None:
    event = {
        "specversion": "1.0", "type": "mlops.fact.drift", "source": "/monitor", "id": "w-1", "subject": "flight_delay",
    }  # fmt: skip
    (tmp_path / "event.json").write_text(json.dumps(event))
    assert _json(run("send", "--file", str(tmp_path / "event.json"), "--json"))["fact"] == "/monitor#w-1"
    with pytest.raises(UsageError, match="a use case or --file"):
        run("send", "flight_delay", "--file", str(tmp_path / "event.json"))


def test_a_port_that_others_reach_needs_to_know_who_sends(run: Run) -> None:
    with pytest.raises(UsageError, match=r"--host 0\.0\.0\.0 can be reached from other machines"):
        run("serve", "--host", "0.0.0.0")
    with pytest.raises(UsageError, match="--audience and --account go together"):
        run("serve", "--audience", "https://handler")


def test_a_retry_names_its_letters(run: Run) -> None:
    with pytest.raises(UsageError, match="names of dead letters, or --all"):
        run("retry")
    with pytest.raises(UsageError, match="no dead letter 'event-1'"):
        run("retry", "event-1")
