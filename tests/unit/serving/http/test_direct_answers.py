"""A small request is answered in the call that brought it, as the general way would have answered it."""

import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from live_server import BODY, PREDICT, ROW, Live, answer_to, started

from serving.http.connection.direct import DirectProtocol
from serving.http.direct import DirectEndpoint
from serving.http.inference import Answer, Inference, InferenceRequest
from serving.http.policy import Policy
from serving.http.server import Options
from serving.limits import Limits
from serving.versions.manager import Watch

LIMITS = Limits(body_bytes=200_000, rows=64)
TOKEN = "0123456789abcdef"
SECONDS = 120
LAST = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer %s\r\n\r\n" % TOKEN.encode()


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    """All work counts as quick, however busy the machine is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("serving.answer_pool._QUICK_SECONDS", SECONDS)
        yield


@pytest.fixture(scope="module")
def live(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with started(Options(LIMITS, Watch(seconds=3600)), exported, tmp_path_factory.mktemp("live")) as running:
        yield running


@dataclass
class Direct:
    """What the endpoint was asked, and whether it answered."""

    answered: list[bool] = field(default_factory=list)


@pytest.fixture
def direct(monkeypatch: pytest.MonkeyPatch) -> Direct:
    seen, original = Direct(), DirectEndpoint.answer

    def answer(*arguments: Any) -> bool:
        seen.answered.append(original(*arguments))
        return seen.answered[-1]

    monkeypatch.setattr(DirectEndpoint, "answer", answer)
    return seen


def post(body: bytes, *headers: bytes, path: str = PREDICT, chunked: bool = False) -> bytes:
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(body)
    lines = [f"POST {path} HTTP/1.1".encode(), b"Host: x", b"Content-Type: application/json", framing, *headers]
    return b"\r\n".join([*lines, b"", b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if chunked else body])


class Client:
    """A kept connection."""

    def __init__(self, live: Live) -> None:
        self.link = socket.create_connection(("127.0.0.1", live.port), timeout=SECONDS)

    def ask(self, request: bytes) -> tuple[bytes, list[bytes], bytes]:
        """Return status line, headers but those of this one answer, and body."""
        self.link.sendall(request)
        received = b""
        while b"\r\n\r\n" not in received or len(received.partition(b"\r\n\r\n")[2]) < self._length(received):
            part = self.link.recv(1 << 16)
            assert part, received
            received += part
        head, _, body = received.partition(b"\r\n\r\n")
        status, *headers = head.split(b"\r\n")
        return status, sorted(h for h in headers if not h.startswith((b"date:", b"x-request-id:"))), body

    @staticmethod
    def _length(received: bytes) -> int:
        found = re.search(rb"content-length: (\d+)\r\n", received)
        assert found, received
        return int(found[1])


@pytest.fixture
def client(live: Live) -> Iterator[Client]:
    made = Client(live)
    yield made
    made.link.close()


CASES = {
    "a row": (PREDICT, BODY),
    "columns": (PREDICT, json.dumps({"inputs": {name: [value] for name, value in ROW.items()}})),
    "a version": ("/v1/models/delay/versions/1:predict", BODY),
    "a label": ("/v1/models/delay/labels/champion:predict", BODY),
    "a slash at the end": (PREDICT + "/", BODY),
    "an example": ("/v1/models/delay:classify", json.dumps({"examples": [ROW]})),
    "open inference": (
        "/v2/models/delay/infer",
        json.dumps({"inputs": [{"name": "hour", "shape": [1], "datatype": "INT64", "data": [17]}]}),
    ),
    "no JSON": (PREDICT, "{"),
    "a key twice": (PREDICT, BODY.replace('"hour"', '"carrier"')),
    "too many rows": (PREDICT, json.dumps({"instances": [ROW] * 65})),
    "an unknown signature": (PREDICT, BODY.replace("{", '{"signature_name": "x", ', 1)),
    "an output that is not finite": (PREDICT, BODY.replace("1089.0", "1e31")),
    "an unknown version": ("/v1/models/delay/versions/9:predict", BODY),
}


@pytest.mark.parametrize(("path", "body"), CASES.values(), ids=CASES)
def test_the_answer_is_that_of_the_general_way(client: Client, direct: Direct, path: str, body: str) -> None:
    text = body.encode()
    general = client.ask(post(text, path=path, chunked=True))
    assert client.ask(post(text, path=path)) == general
    until(lambda: direct.answered == [True])  # noted after the client has read
    status = int(general[0].split()[1])
    assert (b"x-model-version: 1" in general[1]) == (status == 200)


@pytest.mark.parametrize(
    "request_",
    [
        post(BODY.encode(), b"Expect: 100-continue"),
        post(BODY.encode(), b"Content-Encoding: identity"),
        post(BODY.encode(), b"Connection: close"),
        post(BODY.encode(), b"Upgrade: h2c", b"Connection: Upgrade"),
        post(BODY.encode(), chunked=True),
        post(BODY.encode(), path="/v1/models/delay:explain"),
        post(BODY.encode(), path=PREDICT + "?a=b"),
        post(BODY.encode(), path="/v1/models/nobody:predict"),
        post(BODY.encode(), path="/nowhere"),
        post(BODY.encode()).replace(b"HTTP/1.1", b"HTTP/1.0"),
        post(BODY.encode()).replace(b"application/json", b"image/png"),
        post(BODY.encode()).replace(b"POST", b"PUT"),
        LAST,
    ],
)
def test_an_unusual_request_goes_the_general_way(live: Live, direct: Direct, request_: bytes) -> None:
    Client(live).ask(post(BODY.encode(), chunked=True))
    received = answer_to(live.port, request_ + LAST)
    assert re.search(rb"HTTP/1\.1 (200|40\d|415|501) ", received), received
    assert not any(direct.answered)


def test_a_body_in_two_packets_is_answered(client: Client, direct: Direct) -> None:
    request = post(BODY.encode())
    wanted = client.ask(request)
    client.link.sendall(request[:-5])
    time.sleep(0.05)
    assert client.ask(request[-5:]) == wanted
    assert client.ask(request) == wanted
    until(lambda: direct.answered[-1:] == [True])


def test_one_packet_cannot_keep_other_clients_waiting(live: Live, direct: Direct) -> None:
    Client(live).ask(post(BODY.encode()))
    direct.answered.clear()
    requests = [post(BODY.encode(), b"X-Request-Id: n%d" % at) for at in range(40)]
    received = answer_to(live.port, b"".join(requests) + LAST)
    assert re.findall(rb"x-request-id: (n\d+)", received) == [b"n%d" % at for at in range(40)], "answered in order"
    assert received.count(b"HTTP/1.1 200 OK") == 41
    assert sum(direct.answered) < 40


def test_a_bug_is_answered_and_the_connection_kept(
    client: Client, direct: Direct, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = client.ask(post(BODY.encode(), chunked=True))
    with monkeypatch.context() as patch:
        patch.setattr(Inference, "answer", lambda *_: 1 // 0)
        status, _, body = client.ask(post(BODY.encode()))
    assert (status, json.loads(body)["code"]) == (b"HTTP/1.1 500 Internal Server Error", "INTERNAL")
    assert client.ask(post(BODY.encode())) == wanted
    until(lambda: direct.answered == [True, True])


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("leaves", [False, True])
def test_a_large_answer_is_charged_until_it_is_read(
    live: Live, client: Client, direct: Direct, monkeypatch: pytest.MonkeyPatch, leaves: bool
) -> None:
    client.ask(post(BODY.encode(), chunked=True))
    budget, size = live.server._app.budget, 32 << 20
    monkeypatch.setattr(Inference, "answer", lambda *_: Answer(1, b"x" * size, {}))
    client.link.sendall(post(BODY.encode()))
    until(lambda: budget._charged == size and direct.answered == [True])
    if not leaves:
        got = 0
        while got < size:
            got += len(client.link.recv(1 << 20))
    client.link.close()
    until(lambda: budget._charged == 0)


def test_what_a_request_became_is_freed_after_its_answer_is_written_and_charged_until_then(
    live: Live, client: Client, direct: Direct, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.ask(post(BODY.encode(), chunked=True))
    budget, write, infer = live.server._app.budget, DirectProtocol.send, Inference.answer
    made: list[list[object]] = []
    when_written: list[tuple[int, int]] = []

    def answer(inference: Inference, request: InferenceRequest) -> Answer:
        assert request.spent is not None
        made.append(request.spent)
        return infer(inference, request)

    def send(*arguments: Any) -> None:
        when_written.append((len(made[-1]), budget._charged))
        write(*arguments)

    monkeypatch.setattr(Inference, "answer", answer)
    monkeypatch.setattr(DirectProtocol, "send", send)
    client.ask(post(BODY.encode()))
    until(lambda: budget._charged == 0)
    [(objects, charged)] = when_written
    assert objects == 1
    assert charged > len(BODY) * LIMITS.expansion
    until(lambda: made == [[]])
    until(lambda: direct.answered == [True])  # noted after the client has read


def test_only_an_idle_connection_is_closed_though_no_request_sets_its_timer(live: Live, client: Client) -> None:
    client.ask(post(BODY.encode(), chunked=True))
    address = client.link.getsockname()
    protocol: Any = next(p for p in [*live.server.server_state.connections] if p.client == address)
    for seconds_ago in (0.0, LIMITS.idle_seconds - 1):
        wanted = client.ask(post(BODY.encode()))
        protocol._active_at -= seconds_ago
        protocol.loop.call_soon_threadsafe(protocol.timeout_keep_alive_handler)
        assert client.ask(post(BODY.encode())) == wanted
        assert protocol.timeout_keep_alive_task is not None
    protocol._active_at -= LIMITS.idle_seconds
    protocol.loop.call_soon_threadsafe(protocol.timeout_keep_alive_handler)
    assert client.link.recv(1) == b""


def test_token_and_access_log_hold_for_both_ways(exported: Path, tmp_path: Path, direct: Direct) -> None:
    log = tmp_path / "access.log"
    policy = Policy(token=TOKEN, access_log=str(log), origins=("https://app.example",))
    bearer = b"Authorization: Bearer " + TOKEN.encode()
    body = BODY.encode()
    with started(Options(LIMITS, Watch(seconds=3600), policy), exported, tmp_path) as running:
        asking = Client(running)
        general = asking.ask(post(body, bearer, b"X-Request-Id: general", chunked=True))
        assert asking.ask(post(body, bearer, b"X-Request-Id: direct")) == general
        until(lambda: direct.answered == [True])  # noted after the client has read
        for refused in ([], [bearer, bearer], [bearer + b"x"]):
            assert answer_to(running.port, post(body, *refused)).startswith(b"HTTP/1.1 401")
        status, headers, _ = asking.ask(post(body, bearer, b"Origin: https://app.example"))
        assert (status, b"access-control-allow-origin: https://app.example" in headers) == (b"HTTP/1.1 200 OK", True)
        until(lambda: direct.answered == [True])  # noted after the client has read
        asking.link.close()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    ways = {
        line["request_id"]: {k: v for k, v in line.items() if k not in {"time", "ms", "request_id"}} for line in lines
    }
    assert len(lines) == 6
    assert ways["direct"] == ways["general"]
