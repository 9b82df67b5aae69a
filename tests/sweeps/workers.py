"""Workers of the server are killed under load; then the server is asked to end while clients ask."""

import http.client
import os
import signal
import threading
import time
from contextlib import closing
from dataclasses import dataclass, field

from tests.sweeps.served_model import PREDICT, served
from tests.sweeps.sweep import Sweep
from tests.unit.serving.server_process import BODY, Served

_CLIENTS = 8
_CAPACITY_SECONDS = 10.0
_SHARE = 0.6
"""Of the requests that the server answers when it is asked without a pause."""


@dataclass
class Load:
    """Requests that begin at fixed times, whatever happened to those before; each may be repeated once."""

    port: int
    per_second: float
    """0: without a pause."""
    first: int = 0
    """Answered at the first try."""
    second: int = 0
    """Answered at the second."""
    lost: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, number: int) -> None:
        """Ask until it is stopped, as one client of several."""
        pause = _CLIENTS / self.per_second if self.per_second else 0.0
        due = time.monotonic() + pause * number / _CLIENTS
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        while not self.stop.wait(max(0.0, due - time.monotonic())):
            due += pause
            try:
                self._asked(connection)
            except (OSError, http.client.HTTPException, AssertionError) as error:
                connection.close()
                self._again(error)
            else:
                with self._lock:
                    self.first += 1
        connection.close()

    def _again(self, before: Exception) -> None:
        try:
            with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
                self._asked(connection)
        except (OSError, http.client.HTTPException, AssertionError) as error:
            with self._lock:
                self.lost.append(f"{type(before).__name__}, then {type(error).__name__}: {error}")
        else:
            with self._lock:
                self.second += 1

    def _asked(self, connection: http.client.HTTPConnection) -> None:
        connection.request("POST", PREDICT, BODY, {"Content-Type": "application/json"})
        response = connection.getresponse()
        content = response.read()
        assert response.status == 200, content[:200]


def run(sweep: Sweep) -> None:
    """Kill `count` workers, one at a time."""
    every = float(sweep.options.get("every") or 10.0)
    with served(sweep.folder, "--workers", "2") as server:
        server.until(lambda: len(server.workers()) == 2)
        capacity = _capacity(server, min(_CAPACITY_SECONDS, every))
        load, chance = Load(server.port, capacity * _SHARE), sweep.chance()
        threads = _start(load)
        for number in range(sweep.count):
            time.sleep(every)
            workers = server.workers()
            os.kill(chance.choice(workers), signal.SIGKILL)
            server.until(lambda: len(set(server.workers()) - set(workers)) == 1)  # noqa: B023 - called in this turn
            sweep.progress(number + 1, sweep.count, "kills")
        server.until(lambda: len(server.workers()) == 2 and server.ask("/readyz")[0] == 200)
        load.stop.set()
        for thread in threads:
            thread.join()
        lost_at_end = _stopped(server)
    asked = load.first + load.second + len(load.lost)
    for problem in [*load.lost, *lost_at_end]:
        sweep.wrong(problem)
    sweep.count_of("kills", sweep.count)
    sweep.count_of("capacity, requests per second", round(capacity))
    sweep.count_of("requests", asked)
    sweep.at_least("answered at the first try, %", round(100 * load.first / asked, 3), 99.9)
    sweep.at_least("answered with one retry, %", round(100 * (load.first + load.second) / asked, 3), 100)
    sweep.exactly("requests lost by SIGTERM", len(lost_at_end), 0)


def _start(load: Load) -> list[threading.Thread]:
    threads = [threading.Thread(target=load.run, args=(number,)) for number in range(_CLIENTS)]
    for thread in threads:
        thread.start()
    return threads


def _capacity(server: Served, seconds: float) -> float:
    """Return how many requests a second are answered when clients never pause."""
    load = Load(server.port, 0.0)
    threads = _start(load)
    time.sleep(seconds)
    load.stop.set()
    for thread in threads:
        thread.join()
    return load.first / seconds


def _stopped(server: Served) -> list[str]:
    """End the server while clients ask, each until it is told that the server drains; returns what they lost."""
    lost: list[str] = []

    def ask() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        try:
            while True:
                connection.request("GET", "/readyz")
                ready = connection.getresponse()
                ready.read()
                if ready.status == 503:
                    return
                connection.request("POST", PREDICT, BODY, {"Content-Type": "application/json"})
                response = connection.getresponse()
                content = response.read()
                assert response.status == 200, content[:200]
        except (OSError, http.client.HTTPException, AssertionError) as error:
            lost.append(f"SIGTERM: {type(error).__name__}: {error}")
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(_CLIENTS)]
    for thread in threads:
        thread.start()
    time.sleep(1.0)
    code = server.stop()
    for thread in threads:
        thread.join()
    return lost if code == 0 else [*lost, f"the server ended with {code}"]
