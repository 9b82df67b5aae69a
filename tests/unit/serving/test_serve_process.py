"""`mlops serve` as a process: a killed worker is replaced, and SIGTERM loses no request."""

import http.client
import json
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from server_process import BODY, PREDICT, Served, serving

from core.backends.registry import open_registry


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
            except (OSError, http.client.HTTPException) as error:
                self.broken.append(type(error).__name__)
                connection.close()


@pytest.fixture(scope="module")
def served(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("home")
    registry = open_registry(str(home / "models"))
    registry.promote("flight_delay", registry.publish("flight_delay", exported / "a", {}).version)
    with serving(home, "flight_delay", "--workers", "2") as running:
        assert running.process.stdout is not None
        line = running.process.stdout.readline()
        address = rf"http://127\.0\.0\.1:{running.port}/v1/models/flight_delay"
        assert re.match(rf"{address}  \(version 1@sha256:", line), line + running.log.read_text()
        running.until(lambda: len(running.children()) == 2 and running.ask("/readyz")[0] == 200)
        yield running
    for entry in running.log.read_text().splitlines():
        assert {"time", "level", "message"} <= json.loads(entry).keys()


def test_a_killed_worker_is_replaced_and_another_answers_meanwhile(served: Served) -> None:
    clients = [Client(served.port) for _ in range(3)]
    threads = [threading.Thread(target=client.run) for client in clients]
    for thread in threads:
        thread.start()
    for _ in range(3):
        before = served.children()
        os.kill(before[0], signal.SIGKILL)
        answered = sum(client.answered for client in clients)
        deadline = time.monotonic() + 30
        while (
            len(set(served.children()) - {before[0]}) < 2 or sum(client.answered for client in clients) < answered + 10
        ):
            assert time.monotonic() < deadline
            time.sleep(0.02)
    for client in clients:
        client.stop.set()
    for thread in threads:
        thread.join(20)
    broken = [kind for client in clients for kind in client.broken]
    assert len(broken) <= 3 * len(clients), broken
    assert served.ask("/readyz")[0] == 200


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
    time.sleep(0.3)
    workers = served.children()
    served.process.send_signal(signal.SIGTERM)
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert served.process.wait(15) == 0
    assert [client.broken for client in clients] == [[], [], []]
    assert all(client.answered > 10 for client in clients)
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
