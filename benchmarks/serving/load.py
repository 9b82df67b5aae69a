"""Asks a server from a number of connections, each with one request at a time, with little work of its own."""

import selectors
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass
class Connection:
    """One client: the request that it waits for, and what has come of the answer."""

    link: socket.socket
    asked: float = 0.0
    got: bytearray = field(default_factory=bytearray)
    wanted: int = 0
    """Bytes of the whole answer; 0 until its head is here."""

    def ask(self, request: bytes) -> None:
        """Send the next request."""
        self.got.clear()
        self.wanted = 0
        self.asked = time.perf_counter()
        self.link.sendall(request)

    def is_answered(self) -> bool:
        """Take what has come; RuntimeError when it is not a success."""
        data = self.link.recv(1 << 18)
        if not data:
            raise RuntimeError(f"the server closed a connection after {bytes(self.got[:300])!r}")
        self.got += data
        if not self.wanted and (end := self.got.find(b"\r\n\r\n")) >= 0:
            head = bytes(self.got[:end]).lower()
            if not head.startswith(b"http/1.1 200"):
                raise RuntimeError(f"wanted the status 200, got {bytes(self.got[:300])!r}")
            self.wanted = end + 4 + int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
        return 0 < self.wanted <= len(self.got)

    def body(self) -> bytes:
        """Return the answer's body."""
        return bytes(self.got).partition(b"\r\n\r\n")[2]


class Load(NamedTuple):
    """What a number of clients saw."""

    per_second: float
    median_ms: float
    p99_ms: float
    requests: int
    """All of them, the first ones too."""


def request_of(path: str, body: bytes = b"") -> bytes:
    """Write a POST of JSON, or a GET where there is no body."""
    head = f"{'POST' if body else 'GET'} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def answer(port: int, request: bytes) -> bytes:
    """Ask once and return the answer's body."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as link:
        connection = Connection(link)
        connection.ask(request)
        while not connection.is_answered():
            pass
        return connection.body()


def load(port: int, request: bytes, clients: int, seconds: float) -> Load:
    """Ask from so many connections at a time; the first fifth of the time is not counted."""
    links = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(clients)]
    began = time.perf_counter()
    answers = _answers(links, request, began + 1.2 * seconds)
    for link in links:
        link.close()
    counted = [answer for answer in answers if answer.at >= began + 0.2 * seconds]
    waits = sorted(answer.waited for answer in counted)
    per_second = len(counted) / (answers[-1].at - began - 0.2 * seconds)
    return Load(per_second, waits[len(waits) // 2] * 1e3, waits[int(len(waits) * 0.99)] * 1e3, len(answers))


class _Answered(NamedTuple):
    at: float
    waited: float


def _answers(links: Sequence[socket.socket], request: bytes, until: float) -> Sequence[_Answered]:
    """Keep one request on its way on each connection, and note when each was answered."""
    found: list[_Answered] = []
    now = 0.0
    with selectors.DefaultSelector() as selector:
        for link in links:
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(link)
            selector.register(link, selectors.EVENT_READ, connection)
            connection.ask(request)
        while now < until:
            ready: list[Connection] = [key.data for key, _ in selector.select(timeout=30)]
            for connection in filter(Connection.is_answered, ready):
                now = time.perf_counter()
                found.append(_Answered(now, now - connection.asked))
                connection.ask(request)
    return found
