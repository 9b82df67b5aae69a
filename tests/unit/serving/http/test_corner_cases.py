"""Corner cases of HTTP/1.1 over real sockets: each is answered in one way only, and the next request is not harmed."""

import http.client
import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from live_server import BODY, PREDICT, Live, answer_to, started

from serving.http.server import Options
from serving.limits import Limits
from serving.versions.manager import Watch

LIMITS = Limits(body_bytes=100_000, header_bytes=8192, body_seconds=2.0, linger_seconds=2.0)
POST = f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n".encode()
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
LAST = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"


def chunks(*parts: bytes, after_size: bytes = b"") -> bytes:
    return b"".join(b"%x%s\r\n%s\r\n" % (len(part), after_size, part) for part in parts)


WHOLE = BODY.encode()
END = b"0\r\n\r\n"


@pytest.fixture(scope="module")
def live(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with started(Options(LIMITS, Watch(seconds=3600)), exported, tmp_path_factory.mktemp("live")) as running:
        yield running


def statuses(received: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]


@pytest.mark.parametrize(
    "request_",
    [
        POST + CHUNKED + b"\r\n" + chunks(WHOLE[:5], WHOLE[5:]) + END,
        POST + CHUNKED + b"\r\n" + chunks(WHOLE, after_size=b';name="a"') + END,
        POST + CHUNKED + b"\r\n" + chunks(WHOLE) + b"0\r\nExpires: never\r\n\r\n",
        POST + CHUNKED + b"\r\n" + chunks(*[WHOLE[at : at + 1] for at in range(len(WHOLE))]) + END,
        POST + LENGTH + b"Expect: 100-continue\r\n\r\n" + WHOLE,
        POST + LENGTH + OFFER + b"\r\n" + WHOLE,
        POST + CHUNKED + OFFER + b"\r\n" + chunks(WHOLE[:5], WHOLE[5:]) + END,
        POST.replace(b"delay:", b"%64e%6Cay%3A") + LENGTH + b"\r\n" + WHOLE,
        POST.replace(b"/v1/", b"http://other.example/v1/") + LENGTH + b"\r\n" + WHOLE,
        POST.replace(b":predict", b":predict?a=b") + LENGTH + b"\r\n" + WHOLE,
    ],
    ids=[
        "chunks",
        "extensions",
        "trailers",
        "chunks of one byte",
        "expects 100",
        "offers h2c",
        "offers h2c, chunks",
        "percent-encoded",
        "absolute target",
        "query",
    ],
)
@pytest.mark.parametrize("packets", [1, 3])
def test_what_http_allows_is_answered_and_so_is_the_next_request(live: Live, request_: bytes, packets: int) -> None:
    received = b""
    sent = request_ + LAST
    with socket.create_connection(("127.0.0.1", live.port), timeout=60) as client:
        for at in range(packets):
            client.sendall(sent[len(sent) * at // packets : len(sent) * (at + 1) // packets])
            time.sleep(0.02)
        while part := client.recv(65536):
            received += part
    assert [status for status in statuses(received) if status != 100] == [200, 200], received
    assert received.count(b'{"predictions":') == 1


@pytest.mark.parametrize(
    ("head", "body", "status", "error"),
    [
        (LENGTH + CHUNKED, chunks(WHOLE) + END, 400, "Transfer-Encoding can't be present with Content-Length"),
        (CHUNKED + LENGTH, chunks(WHOLE) + END, 400, "can't be present"),
        (CHUNKED + CHUNKED, chunks(WHOLE) + END, 400, "Transfer-Encoding"),
        (b"Transfer-Encoding: xchunked\r\n", chunks(WHOLE) + END, 400, "Transfer-Encoding"),
        (b"Transfer-Encoding: gzip, chunked\r\n", chunks(WHOLE) + END, 501, "wanted chunked or none"),
        (b"Transfer-Encoding: chunked, gzip\r\n", chunks(WHOLE) + END, 400, "Transfer-Encoding"),
        (b"Transfer-Encoding : chunked\r\n", chunks(WHOLE) + END, 400, "Invalid header"),
        (b"Content-Length: +5\r\n", b"hello", 400, "Content-Length"),
        (b"Content-Length: 5, 5\r\n", b"hello", 400, "Content-Length"),
        (LENGTH + LENGTH, WHOLE, 400, "Content-Length"),
        (CHUNKED, b"-5\r\nhello\r\n" + END, 400, "chunk size"),
        (CHUNKED, b"0x5\r\nhello\r\n" + END, 400, "chunk size"),
        (CHUNKED, b"5 \r\nhello\r\n" + END, 400, "chunk size"),
        (CHUNKED, b"f" * 17 + b"\r\nhello\r\n" + END, 400, "Chunk size overflow"),
        (CHUNKED, b"5\nhello\n" + END, 400, "chunk size"),
        (CHUNKED, b"5;a=" + b"x" * 300_000, 400, "chunk lines and trailers are more than 8192 bytes"),
        (CHUNKED, b"0\r\n" + b"a: b\r\n" * 50_000, 400, "chunk lines and trailers are more than 8192 bytes"),
    ],
)
def test_what_two_servers_could_read_in_two_ways_is_refused_and_the_connection_closed(
    live: Live, head: bytes, body: bytes, status: int, error: str
) -> None:
    received = answer_to(live.port, POST + head + b"\r\n" + body + LAST)
    assert statuses(received) == [status], received
    assert error in json.loads(received.partition(b"\r\n\r\n")[2])["error"]
    assert b"connection: close" in received


def test_a_trailer_sets_no_header(live: Live) -> None:
    trailer = chunks(WHOLE) + b"0\r\nX-Request-Id: from-a-trailer\r\n\r\n"
    received = answer_to(live.port, POST + CHUNKED + b"\r\n" + trailer + LAST)
    assert statuses(received) == [200, 200]
    assert b"from-a-trailer" not in received


def test_a_request_that_is_longer_than_a_head_may_be_is_taken_in_one_packet(live: Live) -> None:
    body = WHOLE + b" " * 40_000
    received = answer_to(live.port, POST + b"Content-Length: %d\r\n\r\n" % len(body) + body + LAST)
    assert statuses(received) == [200, 200], received


@pytest.mark.parametrize("kind", [b"Content-Length: 99999999\r\n", CHUNKED])
def test_an_error_reaches_a_client_that_is_still_sending_its_body(live: Live, kind: bytes) -> None:
    """A connection that is closed while bytes arrive is reset, and the answer in it is lost."""
    with socket.create_connection(("127.0.0.1", live.port), timeout=60) as client:
        client.sendall(POST.replace(PREDICT.encode(), b"/nowhere") + kind + b"\r\n")
        for _ in range(20):
            client.sendall(chunks(b"x" * 10_000))
            time.sleep(0.005)
        received = client.recv(65536)
    assert statuses(received) == [404]
    assert b"connection: close" in received


def test_a_connection_is_kept_after_an_error_whose_body_was_read(live: Live) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", live.port, timeout=60)
    sockets = set()
    for body, status in (("{", 400), (BODY, 200), ('{"instances": [{}]}', 400), (BODY, 200)):
        connection.request("POST", PREDICT, body)
        sockets.add(connection.sock.getsockname())
        response = connection.getresponse()
        response.read()
        assert response.status == status
    assert len(sockets) == 1
    connection.close()


def test_a_refusal_comes_before_the_body_of_a_client_that_waits_for_100(live: Live) -> None:
    expecting = POST + b"Content-Length: 99999999\r\nExpect: 100-continue\r\n\r\n"
    received = answer_to(live.port, expecting)
    assert statuses(received) == [413]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"HEAD /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
        (b"HEAD /v1/models/nobody HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
        (b"HEAD /healthz HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 20_000, 431),
    ],
)
def test_an_error_on_head_has_no_body(live: Live, sent: bytes, status: int) -> None:
    received = answer_to(live.port, sent)
    assert statuses(received) == [status]
    assert received.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(("method", "status"), [("OPTIONS", 405), ("TRACE", 405), ("PUT", 405), ("PATCH", 405)])
def test_other_methods_are_refused_with_those_that_are_allowed(live: Live, method: str, status: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", live.port, timeout=60)
    connection.request(method, "/v1/models/delay")
    response = connection.getresponse()
    assert response.status == status
    assert json.loads(response.read())["error"] == f"Malformed request: {method} /v1/models/delay"
    assert {"GET", "HEAD"} <= set((response.headers["allow"] or "").split(", "))
    assert not any(name.startswith("access-control") for name in response.headers)
    connection.close()
