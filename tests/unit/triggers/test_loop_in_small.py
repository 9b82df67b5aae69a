"""From alarms to runs, as `make demo-loop` has it, without a model: what the monitor finds starts one run a window."""

import json
from datetime import UTC, datetime
from pathlib import Path

from starlette.testclient import TestClient

from artifacts.feedback.findings import Alarm, Findings
from mlops.triggers.alarms import events_of
from mlops.triggers.http import application
from mlops.triggers.launcher import Ended
from mlops.triggers.records import State
from mlops.triggers.sender import SharedSecrets, signed
from pipelines.triggers import Trigger
from tests.unit.triggers.conftest import Rules, Station

SECRET = b"s" * 32
RULES = {"drift": "skew of hour", "performance": "live auc >= 0.63"}


def found(month: int, *causes: str, champion: str = "1@sha256:aa") -> Findings:
    """What a monitor finds at the end of a month of 2013."""
    as_of = datetime(2013, month, 28, tzinfo=UTC).isoformat()
    alarms = [Alarm(cause=cause, rule=RULES[cause]) for cause in causes]  # type: ignore[arg-type]
    return Findings(
        model="flights", champion=champion, as_of=as_of, period=month, alarms=alarms, undecided=[], not_measured=[],
        live=None, points=[], deployments=[],
    )  # fmt: skip


def test_a_year_in_which_october_drifts(tmp_path: Path) -> None:
    station = Station(tmp_path, rules=Rules({"flights": Trigger()}))
    client = TestClient(application(station.handler, SharedSecrets((SECRET,)), on_taken=lambda _: None))

    def monitored(findings: Findings) -> list[int]:
        answers = []
        for event in events_of(findings, station.now):
            body = json.dumps(event).encode()
            headers = signed(SECRET, str(event["id"]), body, station.now)
            answers.append(client.post("/", content=body, headers=headers).status_code)
        station.work()
        return answers

    assert monitored(found(9)) == []
    station.launcher.contents["flights"] = "trained on October"
    station.launcher.ends = Ended(State.CLOSED, "evaluate_model did not pass")
    assert monitored(found(10, "performance", "drift")) == [202, 202]
    assert station.states() == ["gate closed", "unchanged"], "two alarms about one month are one training"
    assert monitored(found(10, "performance", "drift")) == [200, 200], "a second monitor finds what is known"
    station.launcher.contents["flights"] = "trained on November"
    station.launcher.ends = Ended(State.DONE, "Version 2 of flights is in production.")
    assert monitored(found(11, "performance")) == [202]
    assert monitored(found(12, champion="2@sha256:bb")) == []
    assert station.states() == ["gate closed", "unchanged", "done"]
    assert len(station.launcher.starts) == 2
