"""`mlops serve` as a process: a killed worker is replaced, and SIGTERM loses no request."""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pytest
from server_process import BODY, PREDICT, Served, send, serving

from core.backends.registry import open_registry

PAUSE = 0.003
"""Seconds between the requests of a client: some are always on their way, and the machine has time for the rest."""


@dataclass
class Client:
    """Asks whether the server is ready and then for a prediction, again and again, on one connection."""

    port: int
    answered: int = 0
    broken: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        while not self.stop.is_set():
            try:
                connection.request("GET", "/readyz")
                ready = connection.getresponse()
                ready.read()
                if ready.status == 503:
                    return
                connection.request("POST", PREDICT, BODY, {"Content-Type": "application/json"})
                response = connection.getresponse()
                content = response.read()
                assert response.status == 200, content
                self.answered += 1
                time.sleep(3 * PAUSE)  # several clients ask: some are always on their way
            except (OSError, http.client.HTTPException) as error:
                self.broken.append(type(error).__name__)
                connection.close()


class Answered(NamedTuple):
    """When an answer was asked for and received, and its value."""

    asked: float
    received: float
    value: float


@dataclass
class Watcher:
    """Asks for a prediction again and again, on a connection of its own for each few requests."""

    port: int
    answers: list[Answered] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self.stop.is_set():
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
                for _ in range(5):
                    asked = time.monotonic()
                    connection.request("POST", PREDICT, BODY, {"Content-Type": "application/json"})
                    value = json.loads(connection.getresponse().read())["predictions"][0][0]
                    self.answers.append(Answered(asked, time.monotonic(), value))
                    time.sleep(PAUSE)


@pytest.fixture(scope="module")
def served(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("home")
    registry = open_registry(str(home / "models"))
    registry.promote("flight_delay", registry.publish("flight_delay", exported / "a", {}).version)
    with serving(home, "flight_delay", "--workers", "2", "--recycle-loads", "2", "--recycle-growth", "9") as running:
        assert running.process.stdout is not None
        line = running.process.stdout.readline()
        address = rf"http://127\.0\.0\.1:{running.port}/v1/models/flight_delay"
        assert re.match(rf"{address}  \(version 1@sha256:", line), line + running.log.read_text()
        running.until(lambda: len(running.workers()) == 2 and running.ask("/readyz")[0] == 200)
        yield running
    for entry in running.log.read_text().splitlines():
        assert {"time", "level", "message"} <= json.loads(entry).keys()


def test_a_killed_worker_is_replaced_and_another_answers_meanwhile(served: Served) -> None:
    clients = [Client(served.port) for _ in range(3)]
    threads = [threading.Thread(target=client.run) for client in clients]
    for thread in threads:
        thread.start()
    for _ in range(3):
        before = served.workers()
        os.kill(before[0], signal.SIGKILL)
        answered = sum(client.answered for client in clients)
        deadline = time.monotonic() + 180
        while (
            len(set(served.workers()) - {before[0]}) < 2 or sum(client.answered for client in clients) < answered + 10
        ):
            assert time.monotonic() < deadline
            time.sleep(0.02)
    for client in clients:
        client.stop.set()
    for thread in threads:
        thread.join(120)
    broken = [kind for client in clients for kind in client.broken]
    assert len(broken) <= 3 * len(clients), broken
    assert served.ask("/readyz")[0] == 200


def test_a_promotion_and_a_rollback_reach_all_workers_at_one_moment(served: Served, exported: Path) -> None:
    registry = open_registry(str(served.log.parent / "models"))
    watchers = [Watcher(served.port) for _ in range(4)]
    threads = [threading.Thread(target=watcher.run) for watcher in watchers]
    for thread in threads:
        thread.start()
    served.until(lambda: all(watcher.answers for watcher in watchers))
    values = [watchers[0].answers[-1].value]
    second = registry.publish("flight_delay", exported / "b", {}).version
    mixed = []
    for change in (
        lambda: registry.promote("flight_delay", second),
        lambda: registry.rollback("flight_delay"),
        lambda: registry.promote("flight_delay", second),
        lambda: registry.rollback("flight_delay"),
    ):
        began, old = time.monotonic(), values[-1]
        change()
        served.until(lambda: all(watcher.answers[-1].value != old for watcher in watchers))  # noqa: B023
        time.sleep(0.3)
        seen = [answer for watcher in watchers for answer in list(watcher.answers) if answer.asked > began]
        first_new = min(answer.received for answer in seen if answer.value != old)
        mixed.append(max(0.0, max(answer.asked for answer in seen if answer.value == old) - first_new))
        values.append(seen[-1].value)
    for watcher in watchers:
        watcher.stop.set()
    for thread in threads:
        thread.join(20)
    assert len(set(values)) == 2
    assert {answer.value for watcher in watchers for answer in watcher.answers} == set(values)
    # Workers that follow the registry each by itself are up to a second apart.
    assert sorted(mixed)[1] < 0.3, f"seconds in which old answers followed new ones: {mixed}"


def test_workers_that_have_loaded_many_versions_are_replaced_and_no_request_is_lost(
    served: Served, exported: Path, tmp_path: Path
) -> None:
    clients = [Client(served.port) for _ in range(3)]
    threads = [threading.Thread(target=client.run) for client in clients]
    for thread in threads:
        thread.start()
    before, counts = served.workers(), set()
    folder = shutil.copytree(exported / "b", tmp_path / "another")
    for note in ("one more version", "and another"):
        (folder / "assets.extra" / "note.txt").write_text(note)
        open_registry(str(served.log.parent / "models")).publish("flight_delay", folder, {})

    def all_are_fresh() -> bool:
        counts.add(len(served.workers()))
        return len(served.workers()) == 2 and not set(before) & set(served.workers())

    served.until(all_are_fresh, seconds=180)
    for client in clients:
        client.stop.set()
    for thread in threads:
        thread.join(20)
    assert [client.broken for client in clients] == [[], [], []]
    assert counts <= {2, 3}, "one at a time, and never fewer than before"
    assert all(client.answered > 10 for client in clients)


def test_workers_that_load_models_have_no_network(served: Served) -> None:
    served.until(lambda: len(served.workers()) == 2)
    for pid in served.workers():
        status = Path(f"/proc/{pid}/status").read_text()
        assert re.search(r"(?m)^Seccomp:\s+2$", status), status
        assert re.search(r"(?m)^NoNewPrivs:\s+1$", status), status
    assert "access to the network" not in served.log.read_text()


def test_metrics_are_those_of_all_workers_together(served: Served) -> None:
    def predicted() -> float:
        text = served.ask("/metrics")[1]
        return sum(
            float(line.split()[-1])
            for line in text.splitlines()
            if re.match(r'mlops_serving_requests_total{.*code="200".*verb="predict"', line)
        )

    before = predicted()
    for _ in range(20):
        assert served.ask(PREDICT, BODY)[0] == 200
    assert predicted() == before + 20
    assert 'mlops_serving_champion_version{model="flight_delay"} 1.0' in served.ask("/metrics")[1]


def test_sigterm_turns_readiness_off_finishes_what_runs_and_leaves_nothing(served: Served) -> None:
    clients = [Client(served.port) for _ in range(3)]
    threads = [threading.Thread(target=client.run) for client in clients]
    for thread in threads:
        thread.start()
    served.until(lambda: all(client.answered > 10 for client in clients))
    workers = served.workers()
    served.process.send_signal(signal.SIGTERM)
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive()
    assert served.process.wait(120) == 0
    assert [client.broken for client in clients] == [[], [], []]
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


@pytest.fixture
def stopped(served: Served) -> Iterator[Served]:
    """A server of two workers that the test ends."""
    with serving(served.home, "flight_delay", "--workers", "2") as server:
        server.until(lambda: len(server.workers()) == 2 and server.ask("/readyz")[0] == 200)
        yield server
    assert not {"Traceback", "Aborted"} & set(re.findall(r"\w+", server.log.read_text()))


@pytest.mark.parametrize("first", ["the supervisor", "its children"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_all_processes_finishes_what_runs(stopped: Served, number: signal.Signals, first: str) -> None:
    with stopped.begun(PREDICT) as running:
        supervisor, children = [stopped.process.pid], stopped.children()
        # A terminal, systemd and `timeout` send it in an order of their own; the supervisor then sends SIGTERM as well.
        send(number, (supervisor, children) if first == "the supervisor" else (children, supervisor))
        running.send(BODY.encode())
        assert running.getresponse().status == 200
        assert stopped.process.wait(120) == 0
        assert not any(Path(f"/proc/{pid}").exists() for pid in children)


def test_a_second_ctrl_c_ends_it_without_waiting(stopped: Served) -> None:
    with stopped.begun(PREDICT) as running:
        everybody = [stopped.process.pid, *stopped.children()]
        send(signal.SIGINT, [everybody])
        time.sleep(0.5)
        send(signal.SIGINT, [everybody])
        with pytest.raises((OSError, http.client.HTTPException)):  # 500 after 20 seconds when it is waited for
            running.getresponse()
        assert stopped.process.wait(120) == 0
        assert not any(Path(f"/proc/{pid}").exists() for pid in everybody[1:])
