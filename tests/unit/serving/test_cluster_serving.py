"""`mlops serve` as a pod runs it: from an object store, without a model at first, and replaced while clients ask."""

import http.client
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from server_process import BODY, PREDICT, Served, serving

from core.backends.object_registry import ObjectRegistry
from mlops.cli.main import main

POD = ("--all", "--wait", "--workers", "1", "--drain", "5", "--poll", "0.1")
LAPTOP = ("flight_delay", "--workers", "1", "--drain", "5")


def value(served: Served) -> float | None:
    status, body = served.ask(PREDICT, BODY)
    return json.loads(body)["predictions"][0][0] if status == 200 else None


def why(served: Served) -> tuple[int, str]:
    status, body = served.ask("/readyz")
    return status, json.loads(body).get("error", "") if status else body


@pytest.fixture
def registry(bucket: str, tmp_path: Path) -> ObjectRegistry:
    return ObjectRegistry(f"{bucket}/models", tmp_path / "elsewhere")


def push(registry: ObjectRegistry, saved_model: Path, name: str = "flight_delay") -> None:
    registry.promote(name, registry.publish(name, saved_model, {}).version)


@pytest.fixture
def pods(bucket: str, tmp_path: Path) -> Iterator[Callable[[str], Served]]:
    """Start a server in a store of its own, as a pod has it."""
    from contextlib import ExitStack

    with ExitStack() as running:

        def start(name: str, *argv: str) -> Served:
            (tmp_path / name).mkdir(exist_ok=True)
            return running.enter_context(serving(tmp_path / name, *(argv or POD), environment={"MLOPS_STORE": bucket}))

        yield start


def test_a_pod_waits_follows_and_is_mended(
    pods: Callable[[str], Served], registry: ObjectRegistry, exported: Path
) -> None:
    """One server for a whole life, because a start takes seconds."""
    pod = pods("pod")
    pod.until(lambda: pod.ask("/healthz")[0] == 200)
    pod.until(lambda: "no model is in production yet" in why(pod)[1])
    assert why(pod)[0] == 503
    push(registry, exported / "a")
    pod.until(lambda: pod.ask("/readyz")[0] == 200)
    first = value(pod)
    push(registry, exported / "b")
    pod.until(lambda: value(pod) not in (None, first))
    registry.rollback("flight_delay")
    pod.until(lambda: value(pod) == first)
    mirror, controller, worker = sorted(pod.children())
    os.kill(mirror, signal.SIGKILL)
    pod.until(lambda: len(set(pod.children()) - {mirror}) == 3)
    assert {controller, worker} <= set(pod.children())
    push(registry, exported / "foreign", "foreign")
    pod.until(lambda: pod.ask("/v1/models/foreign")[0] == 200)
    text = pod.ask("/metrics")[1]
    assert f'mlops_serving_mirror_seen_seconds{{store="{registry.root}"}}' in text
    assert 'mlops_serving_mirrored_versions_total{model="flight_delay"}' in text
    assert pod.stop() == 0


@dataclass
class Service:
    """What stands between clients and pods: the addresses that a node knows, some time behind the truth."""

    ports: list[int]


@dataclass
class Client:
    """Sends requests over a kept connection, as a client would; reopens it when the server closes it."""

    service: Service
    answers: dict[int, int] = field(default_factory=dict)
    stop: threading.Event = field(default_factory=threading.Event)
    turn: int = 0

    def run(self) -> None:
        connection: http.client.HTTPConnection | None = None
        while not self.stop.is_set():
            if connection is None:
                self.turn += 1
                connection = http.client.HTTPConnection(
                    "127.0.0.1", self.service.ports[self.turn % len(self.service.ports)], timeout=60
                )
            try:
                connection.request("POST", PREDICT, BODY, {"Content-Type": "application/json"})
                response = connection.getresponse()
                response.read()
                status = response.status
                time.sleep(0.01)
                if response.will_close:
                    connection.close()
                    connection = None
            except (OSError, http.client.HTTPException):
                status, connection = 0, None
            self.answers[status] = self.answers.get(status, 0) + 1


def test_a_rolling_update_loses_no_request(
    pods: Callable[[str], Served], registry: ObjectRegistry, exported: Path
) -> None:
    """The service adds a pod once it is ready, and drops one half a second after the pod began to end."""
    push(registry, exported / "a")
    old, new = pods("old", *LAPTOP), pods("new")
    for pod in (old, new):
        pod.until(lambda pod=pod: pod.ask("/readyz")[0] == 200)  # type: ignore[misc]
    service = Service([old.port])
    clients = [Client(service) for _ in range(4)]
    threads = [threading.Thread(target=client.run) for client in clients]
    for thread in threads:
        thread.start()
    old.until(lambda: all(client.answers.get(200, 0) > 20 for client in clients))
    service.ports = [old.port, new.port]
    asked = [client.answers[200] for client in clients]
    old.until(lambda: all(client.answers[200] > before + 20 for client, before in zip(clients, asked, strict=True)))
    old.process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    service.ports = [new.port]
    assert old.process.wait(120) == 0
    for client in clients:
        client.stop.set()
    for thread in threads:
        thread.join(120)
    answers: dict[int, int] = {}
    for client in clients:
        for status, count in client.answers.items():
            answers[status] = answers.get(status, 0) + count
    assert set(answers) == {200}, answers


def test_without_wait_there_must_be_something_to_serve(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path))
    monkeypatch.setenv("MLOPS_STORE", bucket)

    def fails(*more: str) -> tuple[Any, str]:
        monkeypatch.setattr(sys, "argv", ["mlops", "serve", "--port", "0", *more])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, capfd.readouterr().err

    code, error = fails("--all")
    assert (code, "no model in production yet" in error, "--wait" in error) == (1, True, True)
    code, error = fails("flight_delay")
    assert (code, "mlops run flight_delay" in error) == (1, True)
    assert fails()[0] == fails("flight_delay", "--all")[0] == 2
    code, error = fails("--all", "--engine", "tensorflow_serving")
    assert (code, "--host 0.0.0.0" in error) == (2, True)
    assert not (tmp_path / "models").exists()
