"""Over real sockets: slow and silent clients are disconnected, caps hold, swaps and pushes lose no request."""

import http.client
import json
import select
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from live_server import BODY, ROW, Live, answer_to, get_status, started

from serving.http.server import Options
from serving.limits import Limits
from serving.models.savedmodel import SavedModel
from serving.versions.manager import Watch

WATCH = Watch(seconds=0.02, others=1)
LIMITS = Limits(
    body_bytes=200_000,
    body_seconds=0.4,
    header_seconds=0.4,
    header_bytes=8192,
    connections=60,
    idle_seconds=5,
    linger_seconds=1.0,
)


@pytest.fixture(scope="module")
def live(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server that has little patience; every test leaves it as it was."""
    with started(Options(LIMITS, WATCH), exported, tmp_path_factory.mktemp("live")) as running:
        yield running


@pytest.fixture
def fresh(exported: Path, tmp_path: Path) -> Iterator[Live]:
    """The same for one test: it has not learned yet that the model is quick, and answers beside its event loop."""
    with started(Options(replace(LIMITS, answer_seconds=600), WATCH), exported, tmp_path) as running:
        yield running


@pytest.fixture
def patient(exported: Path, tmp_path: Path) -> Iterator[Live]:
    """A server with the patience of production: its clients share this process's one lock with it."""
    with started(Options(Limits(), WATCH), exported, tmp_path) as running:
        yield running


HEAD = b"POST /v1/models/delay:predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
RUDE = [
    ("says nothing", b"", b"", b"408 Request Timeout"),
    ("drips its head", b"GET /healthz", b"z", b"408 Request Timeout"),
    ("drips headers", b"GET /healthz HTTP/1.1\r\n", b"a: b\r\n", b"408 Request Timeout"),
    ("drips its body", HEAD + b"Content-Length: 5000\r\n\r\n{", b" ", b"408 Request Timeout"),
    ("never sends its body", HEAD + b"Content-Length: 5000\r\n\r\n", b"", b"408 Request Timeout"),
    ("never ends its chunk", HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n", b"", b"408 Request Timeout"),
    ("drips chunks", HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n", b"408 Request Timeout"),
    ("endless head", b"GET /healthz HTTP/1.1\r\na: " + b"x" * 300_000, b"", b"431 Request Header Fields Too Large"),
    ("no HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"", b"400 Bad Request"),
    ("two lengths", HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", b"", b"400 Bad Request"),
    (
        "both framings",
        HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"",
        b"400 Bad Request",
    ),
]


@pytest.mark.parametrize(("sent", "then", "status"), [row[1:] for row in RUDE], ids=[row[0] for row in RUDE])
def test_a_client_that_is_slow_or_rude_is_answered_and_let_go(
    live: Live, sent: bytes, then: bytes, status: bytes
) -> None:
    started = time.monotonic()
    received = answer_to(live.port, sent, then=then, every=0.05 if then else 0.0)
    assert received.startswith(b"HTTP/1.1 " + status), received[:200]
    assert json.loads(received.partition(b"\r\n\r\n")[2])["error"]
    assert time.monotonic() - started < 30
    assert live.post()[0] == 200


def test_the_next_head_is_capped_while_a_request_is_being_answered(
    fresh: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()
    monkeypatch.setattr(SavedModel, "run", lambda *_: released.wait(300) and {})
    deadline = time.monotonic() + 120
    with socket.create_connection(("127.0.0.1", fresh.port), timeout=60) as client:
        client.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY.encode())
        client.sendall(b"GET /healthz HTTP/1.1\r\n")
        try:
            with pytest.raises(ConnectionError):
                while time.monotonic() < deadline:
                    client.send(b"a: " + b"x" * 1000 + b"\r\n")
                    time.sleep(0.001)
        finally:
            released.set()
    assert get_status(fresh.port, "/healthz") == 200


def test_two_requests_in_one_packet_are_both_answered(live: Live) -> None:
    request = HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY.encode()
    last = request.replace(b"Host: x", b"Host: x\r\nConnection: close")
    assert answer_to(live.port, request + last).count(b"HTTP/1.1 200 OK") == 2


def test_a_body_may_be_larger_than_a_head_and_come_at_once_with_it(live: Live) -> None:
    """Large enough for the cap on heads, small enough to be read from the socket in one piece."""
    body = json.dumps({"instances": [ROW] * 60}).ljust(60_000)
    connection = http.client.HTTPConnection("127.0.0.1", live.port, timeout=60)
    for _ in range(20):
        connection.request("POST", "/v1/models/delay:predict", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        assert (response.status, len(json.loads(response.read())["predictions"])) == (200, 60)
    connection.close()


def test_slow_clients_do_not_keep_others_waiting_and_the_cap_holds(live: Live) -> None:
    slow = [socket.create_connection(("127.0.0.1", live.port)) for _ in range(LIMITS.connections - 5)]
    for client in slow:
        client.sendall(HEAD + b"Content-Length: 5000\r\n\r\n{")
    assert live.post()[0] == 200
    more, answers, deadline = [], [], time.monotonic() + 60
    while not any(answer.startswith(b"HTTP/1.1 503 Service Unavailable") for answer in answers):
        # Slow clients are disconnected meanwhile, at a rate that varies; more connect than leave until the cap is met.
        assert time.monotonic() < deadline, answers
        more.append(socket.create_connection(("127.0.0.1", live.port)))
        answers = [client.recv(1000, socket.MSG_PEEK) for client in select.select(more, [], [], 0)[0]]
    deadline = time.monotonic() + 60
    while len(live.server.server_state.connections) > 5:
        assert time.monotonic() < deadline, "slow connections were never closed"
        time.sleep(0.02)
    for client in slow + more:
        client.close()
    assert live.post()[0] == 200


def test_pipelined_and_kept_connections_work(live: Live) -> None:
    one = HEAD + b"Content-Length: %d\r\n" % len(BODY)
    received = answer_to(
        live.port, (one + b"\r\n" + BODY.encode()) * 2 + one + b"Connection: close\r\n\r\n" + BODY.encode()
    )
    assert received.count(b"HTTP/1.1 200 OK") == 3


@dataclass
class Load:
    """Clients that ask again and again and remember what they got."""

    port: int
    answers: list[tuple[int, str]] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        while not self.stop.is_set():
            try:
                connection.request("POST", "/v1/models/delay:predict", BODY, {"Content-Type": "application/json"})
                response = connection.getresponse()
                self.answers.append((response.status, response.read().decode()))
                time.sleep(0.003)  # some are always on their way, and the server has time to load versions
            except (OSError, http.client.HTTPException) as error:
                self.errors.append(error)
                return
        connection.close()


def wait_for_answers(load: Load) -> None:
    """Let clients get ten more answers."""
    enough, deadline = len(load.answers) + 10, time.monotonic() + 60
    while len(load.answers) < enough and not load.errors:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_pushes_rollbacks_and_broken_pushes_under_load_cost_no_request(
    patient: Live, exported: Path, tmp_path: Path
) -> None:
    possible = set()
    load = Load(patient.port)
    clients = [threading.Thread(target=load.run) for _ in range(3)]
    for client in clients:
        client.start()
    for number in range(5):
        folder = shutil.copytree(exported / "ab"[number % 2], tmp_path / f"push{number}")
        (folder / "assets.extra" / "note.txt").write_text(str(number))
        is_broken = number % 4 == 3
        if is_broken:  # before it is published, or the server may have loaded it by then
            (folder / "saved_model.pb").write_bytes(b"half")
        version = patient.registry.publish("delay", folder, {})
        patient.registry.promote("delay", version.version)
        awaited = (str(version.version), "END") if is_broken else (str(version.version), "AVAILABLE")
        path = f"versions/{version.version}" if is_broken else "labels/champion"
        deadline = time.monotonic() + 60
        while patient.state(path) != awaited:
            assert time.monotonic() < deadline, (path, awaited)
            time.sleep(0.02)
        wait_for_answers(load)
        possible.add(json.dumps(patient.post()[1], separators=(",", ":")))
    load.stop.set()
    for client in clients:
        client.join(120)
    assert not load.errors
    assert {status for status, _ in load.answers} == {200}
    assert {body for _, body in load.answers} <= possible
    assert len(possible) == 2, "an answer that no published version gives, or a swap that never happened"
