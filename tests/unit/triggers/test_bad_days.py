"""A full disk, recorded requests, deep nesting in every envelope: each has a clear answer, and no fact is lost."""

import base64
import json
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from mlops.triggers.fact import event_of
from mlops.triggers.http import application
from mlops.triggers.sender import TOLERANCE_SECONDS, Anyone, SharedSecrets, signed
from mlops.triggers.storage import file
from mlops.triggers.storage.protocol import JournalError
from tests.unit.triggers.conftest import Station

SECRET = b"s" * 32


@pytest.fixture
def client(station: Station) -> Iterator[TestClient]:
    with TestClient(application(station.handler, Anyone(), on_taken=lambda _: None)) as made:
        yield made


class FullDisk:
    """A disk on which the journal cannot grow."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_full = True
        connect = sqlite3.connect

        def connected(*arguments: Any, **options: Any) -> sqlite3.Connection:
            database = connect(*arguments, **options)
            if self.is_full:
                database.execute("PRAGMA max_page_count = 1")  # SQLite takes what there is already as the least
            return database

        monkeypatch.setattr(file.sqlite3, "connect", connected)


def _body(station: Station, id_: str) -> bytes:
    event = event_of("manual", "flights", source="/test", id_=id_, now=station.now)
    return json.dumps(event | {"data": "x" * 20_000}).encode()


def test_events_on_a_full_disk_are_to_be_sent_again_and_each_is_one_fact(
    client: TestClient, station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FullDisk(monkeypatch)
    answers = [client.post("/", content=_body(station, f"{number}")) for number in range(5)]
    refused = [number for number, answer in enumerate(answers) if answer.status_code == 503]
    assert refused, "five events of 20 kB do not fit on no page"
    assert "disk is full" in answers[refused[0]].json()["error"]
    disk.is_full = False
    again = [client.post("/", content=_body(station, f"{number}")).status_code for number in range(5)]
    assert [code == 202 for code in again] == [number in refused for number in range(5)]
    station.work()
    assert station.states() == ["done"] * 5


def test_a_decision_that_cannot_be_kept_is_made_once_there_is_room(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        station.take(f"{number}")
    disk = FullDisk(monkeypatch)
    station.now += 1
    with pytest.raises(JournalError, match="nothing was recorded"):
        while True:
            # Decisions take up the room that is left in the last page, until there is none.
            station.handler.take(
                event_of("manual", "flights", source="/test", id_="y" * 400 + str(station.now), now=station.now)
            )
            station.dispatcher.work()
            station.now += 1
    disk.is_full = False
    station.work()
    assert set(station.states()) == {"done"}
    starts = station.launcher.starts
    assert len(starts) == len(set(starts)) == len(station.states())
    assert not station.journal.waiting()


def test_a_dead_letter_that_cannot_be_written_is_to_be_sent_again(
    client: TestClient, station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FullDisk(monkeypatch)
    event = event_of("manual", "penguins", source="/test", id_="a", now=station.now)
    body = json.dumps(event | {"data": "x" * 60_000}).encode()
    assert client.post("/", content=body).status_code == 503
    assert not station.dead
    disk.is_full = False
    assert client.post("/", content=body).status_code == 422
    assert len(station.dead) == 1


def test_a_recorded_request_starts_nothing_now_and_is_refused_later(station: Station) -> None:
    client = TestClient(application(station.handler, SharedSecrets((SECRET,)), on_taken=lambda _: None))
    body = json.dumps(event_of("manual", "flights", source="/test", id_="a", now=station.now)).encode()
    headers = signed(SECRET, "a", body, station.now)
    assert client.post("/", content=body, headers=headers).status_code == 202
    station.work()
    assert client.post("/", content=body, headers=headers).status_code == 200
    station.now += TOLERANCE_SECONDS + 1
    assert client.post("/", content=body, headers=headers).status_code == 401
    station.work()
    assert station.states() == ["done"]


def _nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@pytest.mark.parametrize("depth", [2_000, 30_000])
def test_deep_nesting_is_refused_in_every_envelope(client: TestClient, station: Station, depth: int) -> None:
    event = event_of("manual", "flights", source="/test", id_="a", now=station.now)
    deep = json.dumps(event)[:-1] + f', "data": {_nested(depth)}}}'
    pushed = json.dumps({"message": {"data": base64.b64encode(deep.encode()).decode()}})[:65_000]
    binary = {"ce-specversion": "1.0", **{f"ce-{name}": str(value) for name, value in event.items()}}
    answers = [
        client.post("/", content=deep),
        client.post("/", content=pushed),
        client.post("/", content=_nested(depth), headers=binary),
    ]
    assert {answer.status_code for answer in answers} == {400}
    assert not station.journal.waiting()
    assert not station.dead
