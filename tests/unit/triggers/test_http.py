"""The handler over HTTP: an answer says what became of the event, and 2xx means that it is on the disk."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from mlops.triggers.fact import MAX_BYTES, event_of
from mlops.triggers.http import application
from mlops.triggers.sender import Anyone, SharedSecrets, signed
from mlops.triggers.storage import file
from tests.unit.triggers.conftest import Station

SECRET = b"s" * 32


@pytest.fixture
def woken() -> list[str]:
    return []


@pytest.fixture
def client(station: Station, woken: list[str]) -> TestClient:
    return TestClient(
        application(station.handler, Anyone(), on_taken=lambda taken: woken.append("now") if taken.is_new else None)
    )


def event(station: Station, **changes: Any) -> bytes:
    return json.dumps({**event_of("manual", "flights", source="/test", id_="a", now=station.now), **changes}).encode()


def test_a_new_fact_is_202_and_a_known_one_200(client: TestClient, station: Station, woken: list[str]) -> None:
    answers = [client.post("/", content=event(station)) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 200]
    assert [answer.json() for answer in answers] == [{"fact": "/test#a", "new": new} for new in (True, False)]
    assert len(woken) == 1
    assert [one.deliveries for one in station.journal.waiting()] == [2]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[" * 60_000, 400),
        (b"x" * (MAX_BYTES + 1), 413),
    ],
)
def test_what_is_no_event_is_refused_and_nothing_is_kept(
    client: TestClient, station: Station, body: bytes, status: int
) -> None:
    answer = client.post("/", content=body)
    assert answer.status_code == status
    assert answer.json()["error"]
    assert not station.journal.waiting()
    assert not station.dead


def test_an_event_from_the_future_is_refused(client: TestClient, station: Station) -> None:
    answer = client.post("/", content=event(station, time="2099-01-01T00:00:00Z"))
    assert (answer.status_code, "set the clock that is wrong" in answer.json()["error"]) == (400, True)


def test_a_use_case_that_may_start_nothing_is_422_and_a_dead_letter(client: TestClient, station: Station) -> None:
    answer = client.post("/", content=event(station, subject="penguins"))
    assert answer.status_code == 422
    assert [letter.event["subject"] for letter in station.dead if letter.event] == ["penguins"]


def test_no_event_is_taken_without_a_valid_signature(station: Station) -> None:
    client = TestClient(application(station.handler, SharedSecrets((SECRET,)), on_taken=lambda _: None))
    body = event(station)
    assert client.post("/", content=body).status_code == 401
    assert not station.journal.waiting()
    assert client.post("/", content=body, headers=signed(SECRET, "a", body, station.now)).status_code == 202


def test_an_event_that_cannot_be_kept_is_to_be_sent_again(
    client: TestClient, station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(file.sqlite3, "connect", full)
        answer = client.post("/", content=event(station))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
    assert "disk is full" in answer.json()["error"]
    assert client.post("/", content=event(station)).status_code == 202


def test_too_many_dead_letters_are_not_taken(
    client: TestClient, station: Station, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("mlops.triggers.storage.operations.MOST_DEAD", 2)
    answers = [client.post("/", content=event(station, subject="penguins", id=f"{at}")) for at in range(3)]
    assert [answer.status_code for answer in answers] == [422, 422, 503]


def test_health_needs_no_signature(station: Station) -> None:
    client = TestClient(application(station.handler, SharedSecrets((SECRET,)), on_taken=lambda _: None))
    assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200
