"""Clients that come at once are shared out among the workers."""

import asyncio
import os
import signal
import socket
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from serving.http.connection.acceptor import SLOTS, Acceptor, Crowd
from serving.http.listener import listen

CLIENTS = 16


class PidProtocol(asyncio.Protocol):
    """Tells a client which process has it."""

    open: set[asyncio.BaseTransport]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(b"%d\n" % os.getpid())
        self.open.add(transport)
        self.transport = transport

    def connection_lost(self, _: Exception | None) -> None:
        self.open.discard(self.transport)


async def work(listener: socket.socket, crowd: Crowd) -> None:
    PidProtocol.open = set()
    acceptor = Acceptor(listener, crowd, lambda: len(PidProtocol.open))
    acceptor.start(PidProtocol, None)
    while True:
        await asyncio.sleep(0.01)
        acceptor.note()


def wait_until_idle(crowd: Crowd) -> None:
    """Wait until both workers are there, and have noticed that no client is."""
    deadline = time.monotonic() + 60
    while [count for count in crowd._counts if count] != [1, 1]:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, Crowd]]:
    """Two forked workers that share a socket, and have the patience of a busy machine."""
    monkeypatch.setattr("serving.http.connection.acceptor.PATIENCE_SECONDS", 2.0)
    listener, crowd = listen("127.0.0.1", 0), Crowd()
    workers = []
    for _ in range(2):
        pid = os.fork()
        if pid == 0:
            try:
                asyncio.run(work(listener, crowd))
            finally:
                os._exit(1)
        workers.append(pid)
    wait_until_idle(crowd)
    yield listener.getsockname()[1], crowd
    listener.close()
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@pytest.mark.nightly("twelve bursts with pauses between them")
def test_bursts_are_shared_out(shared: tuple[int, Crowd]) -> None:
    port, crowd = shared
    for _ in range(3):
        wait_until_idle(crowd)
        links = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(CLIENTS)]
        owners = Counter(link.recv(20) for link in links)
        assert sorted(owners.values()) in ([7, 9], [8, 8]), owners
        for link in links:
            link.close()


def test_the_least_is_that_of_a_running_worker() -> None:
    crowd = Crowd()
    assert crowd.least() == 0
    crowd.note(7)
    assert crowd.least() == 7
    crowd._counts[(os.getpid() + 1) % SLOTS] = 3 + 1
    assert crowd.least() == 3
    crowd.leave(os.getpid() + 1)
    assert crowd.least() == 7
