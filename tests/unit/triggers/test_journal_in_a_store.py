"""A handler without a disk: facts and decisions in an object store, and an answer after the submission."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from core import objects
from core.errors import MlopsError, StoreError
from mlops.triggers.fact import event_of
from mlops.triggers.http import application
from mlops.triggers.launcher import Ended
from mlops.triggers.records import State
from mlops.triggers.sender import Anyone
from mlops.triggers.storage import log
from mlops.triggers.storage.protocol import JournalError
from mlops.triggers.submitter import Submitter
from pipelines.triggers import Trigger
from tests.google_storage import Served
from tests.infra.rendered import ROOT
from tests.unit.triggers.conftest import Rules, Station

RULES = Rules({"flights": Trigger(), "penguins": Trigger(debounce_seconds=60)})
Opened = Callable[[], Station]


EACH_STORE = pytest.mark.parametrize("address", ["s3", "gs"], indirect=True)


@pytest.fixture
def address(request: pytest.FixtureRequest) -> str:
    """A folder for a journal, in Cloud Storage unless a test says S3."""
    if getattr(request, "param", "gs") == "s3":
        return f"{request.getfixturevalue('bucket')}/triggers"
    served: Served = request.getfixturevalue("google_storage")
    return f"{served.address}/triggers"


@pytest.fixture
def opened(address: str, tmp_path: Path) -> Opened:
    """Start a handler that knows nothing but what is in the store."""
    return lambda: Station(tmp_path, rules=RULES, address=address)


def client(station: Station) -> TestClient:
    return TestClient(application(station.handler, Anyone(), Submitter(station.dispatcher).work))


def post(station: Station, id_: str = "a", usecase: str = "flights") -> Any:
    event = event_of("manual", usecase, source="/test", id_=id_, now=station.now)
    return client(station).post("/", content=json.dumps(event))


@EACH_STORE
def test_an_event_is_answered_once_its_run_is_submitted_and_any_handler_knows_it(opened: Opened) -> None:
    assert post(opened()).status_code == 202
    other = opened()
    assert len(other.launcher.starts) == 1
    assert post(other).status_code == 200
    assert (other.states(), len(other.launcher.starts)) == (["done"], 1)
    (recorded,) = other.journal.facts_of(1)
    assert recorded.deliveries == 2


def test_a_delivery_is_not_acknowledged_before_its_run_is_submitted(opened: Opened) -> None:
    dead = opened()
    dead.take("a")
    dead.storage.change("take_turn", usecase="flights", owner="dead", now=dead.now, seconds=log.TURN_SECONDS)
    refused = post(opened())
    assert (refused.status_code, "send it again" in refused.json()["error"]) == (503, True)
    later = opened()
    later.now += log.TURN_SECONDS
    assert post(later).status_code == 200
    assert (later.states(), len(later.launcher.starts)) == (["done"], 1)


def test_a_handler_that_died_while_it_submitted_is_followed_by_one_that_finds_the_run(opened: Opened) -> None:
    class Died(BaseException):
        pass

    station = opened()
    start = station.launcher.start

    def start_and_die(usecase: str, trigger: Trigger, decision: str) -> str:
        start(usecase, trigger, decision)
        raise Died

    station.launcher.start = start_and_die  # type: ignore[method-assign]
    station.take("a")
    with pytest.raises(Died):
        station.dispatcher.work()
    other = opened()
    assert post(other).status_code == 200
    assert (other.states(), len(other.launcher.starts)) == (["done"], 1)


def test_what_may_not_start_yet_is_acknowledged_and_started_by_a_later_request(opened: Opened) -> None:
    station = opened()
    assert post(station, usecase="penguins").status_code == 202
    assert station.states() == []
    later = opened()
    later.now += 60
    # A message that is no fact; Cloud Scheduler sends one every few minutes.
    tick = {"message": {"attributes": {"eventType": "TICK"}}}
    assert client(later).post("/", json=tick).status_code == 204
    assert later.states() == ["done"]


def test_a_run_that_goes_on_holds_the_facts_of_its_use_case_until_a_later_request_sees_its_end(opened: Opened) -> None:
    station = opened()
    station.launcher.ended = lambda _: None  # type: ignore[method-assign]
    assert [post(station, "a").status_code, post(station, "b").status_code] == [202, 202]
    assert station.states() == ["started"]
    assert [one.fact.id for one in station.journal.waiting()] == ["b"]
    other = opened()
    other.launcher.ends = Ended(State.CLOSED, "evaluate_model did not pass")
    assert post(other, "a").status_code == 200
    assert other.states() == ["gate closed", "gate closed"]
    assert len(other.launcher.starts) == 2


def test_a_look_that_fails_is_repeated_and_given_up_in_the_end(opened: Opened) -> None:
    def away(_: str) -> Ended | None:
        raise MlopsError("Vertex AI does not answer")

    station = opened()
    station.launcher.ended = away  # type: ignore[method-assign]
    assert post(station).status_code == 202
    for _ in range(3):
        station.work()
    assert station.states() == ["started"]
    for _ in range(20):
        station.work()
    assert (station.states(), [letter.why for letter in station.dead]) == (["failed"], ["Vertex AI does not answer"])


def test_dead_letters_are_where_any_handler_finds_them(opened: Opened) -> None:
    assert post(opened(), usecase="taxis").status_code == 422
    (letter,) = opened().dead
    other = opened()
    other.rules = Rules({"taxis": Trigger()})
    other.__post_init__()
    other.handler.retry(letter)
    other.work()
    assert (other.states(), opened().dead) == (["done"], [])


def test_an_answer_of_the_store_that_is_lost_is_one_fact_whichever_it_is(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writes are cut, by turns after and before the store has them, with more and more between two faults."""
    create = objects.create
    written, faults, next_fault = 0, 0, 1

    def cut(address: str, content: bytes) -> bool:
        nonlocal written, faults, next_fault
        written += 1
        if written == next_fault:
            faults += 1
            next_fault += faults + 1
            if faults % 2:
                create(address, content)
            raise StoreError("the connection was closed")
        return create(address, content)

    monkeypatch.setattr(objects, "create", cut)
    station = opened()
    for id_ in ("a", "b"):
        answers = []
        while 503 in answers[-1:] or not answers:
            station.now += log.TURN_SECONDS
            answers.append(post(station, id_).status_code)
    monkeypatch.setattr(objects, "create", create)
    last = opened()
    last.now = station.now + log.TURN_SECONDS
    last.work()
    assert faults > 3
    assert (last.states(), len(last.launcher.starts)) == (["done", "done"], 2)


def test_a_handler_that_starts_reads_a_copy_of_the_tables_and_the_few_operations_since(
    opened: Opened, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "EVERY", 4)
    station = opened()
    for number in range(14):
        station.take(f"{number}")
    copies = [entry.name for entry in objects.entries(f"{address}/tables")]
    assert copies == [f"{number:020d}.sqlite" for number in (8, 12)]
    asked: list[str] = []
    read = objects.read
    monkeypatch.setattr(objects, "read", lambda at: asked.append(at) or read(at))
    assert len(opened().journal.waiting()) == 14
    assert [at.rpartition("/")[2] for at in asked[:4]] == [copies[1], *(f"{at:020d}.json" for at in (13, 14, 15))]


def test_an_operation_of_a_newer_version_is_refused_by_name(opened: Opened, address: str) -> None:
    objects.create(f"{address}/log/{1:020d}.json", json.dumps({"operation": "forget", "arguments": {}}).encode())
    with pytest.raises(JournalError, match="'forget' is of a newer version; update this one"):
        opened().take("a")


def test_handlers_without_a_disk_that_race_and_are_killed_start_one_run_for_each_fact(
    address: str, tmp_path: Path
) -> None:
    size = ["--facts=8", "--deliveries=24", "--usecases=4", "--handlers=3", "--batch=4", "--kill-every=3"]
    command = [sys.executable, "-m", "tests.unit.triggers.crowd", *size, f"--journal={address}"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=540, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "0 handlers killed" not in ran.stdout
