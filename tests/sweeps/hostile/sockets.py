"""Clients that send one byte a second: each is disconnected in time, and honest clients notice nothing."""

import itertools
import select
import socket
import time

from benchmarks.measure import pss_mebibytes
from serving.limits import Limits
from tests.sweeps.served_model import PREDICT, Honest, honest_p99, served
from tests.sweeps.sweep import Sweep

_HEAD = f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n".encode()
_KINDS = (
    (b"", b""),
    (b"GET /healthz", b"z"),
    (b"GET /healthz HTTP/1.1\r\n", b"a"),
    (_HEAD + b"Content-Length: 5000\r\n\r\n{", b" "),
    (_HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1"),
)
"""What a client sends at once, and then every second."""
_PARTS = ("Pss_Anon", "Pss_Shmem")
_STEADY_SECONDS = 10.0
_PATIENCE_SECONDS = 120.0


def run(sweep: Sweep) -> None:
    """Connect `count` clients."""
    allowed = max(Limits().header_seconds, Limits().body_seconds)
    with served(sweep.folder, "--workers", "2") as server:
        steady = honest_p99(server.port, _STEADY_SECONDS)
        before = pss_mebibytes(server.process.pid, _PARTS)
        client = Honest(server.port)
        with client.asking():
            lived, left = _drip(sweep, server.port)
        after = pss_mebibytes(server.process.pid, _PARTS)
        status = server.ask("/readyz")[0]
    for failure in client.failed:
        sweep.wrong(f"an honest client: {failure}")
    sweep.count_of("slow clients", sweep.count)
    sweep.exactly("slow clients that were never disconnected", left, 0)
    sweep.count_of(f"longest life of one, s (the deadline is {allowed:g} s)", round(max(lived, default=0.0), 1))
    sweep.exactly("status of the server afterwards", status, 200)
    sweep.exactly("honest requests that failed", len(client.failed), 0)
    sweep.at_most("an honest client's p99 during / before", round(client.p99() / steady, 2), 2)
    sweep.at_most("growth of the server, MiB", round(after - before, 1), 64)


def _drip(sweep: Sweep, port: int) -> tuple[list[float], int]:
    """Send a byte a second on each; returns how long each lived, and how many never ended."""
    clients: dict[socket.socket, tuple[bytes, float]] = {}
    for _, (sent, then) in zip(range(sweep.count), itertools.cycle(_KINDS), strict=False):
        client = socket.create_connection(("127.0.0.1", port), timeout=60)
        client.sendall(sent)
        clients[client] = then, time.monotonic()
    lived: list[float] = []
    deadline = time.monotonic() + _PATIENCE_SECONDS
    next_byte = time.monotonic() + 1.0
    while clients and time.monotonic() < deadline:
        for client in _ended(clients, max(0.0, next_byte - time.monotonic())):
            lived.append(time.monotonic() - clients.pop(client)[1])
            client.close()
        if time.monotonic() >= next_byte:
            next_byte += 1.0
            _send_byte(clients)
            sweep.progress(len(lived), sweep.count)
    for client in clients:
        client.close()
    return lived, len(clients)


def _ended(clients: dict[socket.socket, tuple[bytes, float]], seconds: float) -> list[socket.socket]:
    """Return the clients whose connection the server has closed; what it says before that is read and dropped."""
    ended = []
    poll = select.poll()
    by_handle = {client.fileno(): client for client in clients}
    for handle in by_handle:
        poll.register(handle, select.POLLIN)
    for handle, _ in poll.poll(seconds * 1000):
        try:
            if not by_handle[handle].recv(65536):
                ended.append(by_handle[handle])
        except OSError:
            ended.append(by_handle[handle])
    return ended


def _send_byte(clients: dict[socket.socket, tuple[bytes, float]]) -> None:
    for client, (then, _) in clients.items():
        try:
            client.send(then)
        except OSError:
            continue  # closed; it is found when it is read
