"""A server on a real socket, in a thread of the test's process."""

import http.client
import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.backends.registry import Registry, open_registry
from serving.http.listener import listen
from serving.http.server import Options, Server, make_server
from serving.versions.shelf import RegistryShelf

ROW: dict[str, Any] = {"carrier": "AA", "hour": 17, "distance": 1089.0, "temp": 55.9}
BODY = json.dumps({"instances": [ROW]})
PREDICT = "/v1/models/delay:predict"


@dataclass(frozen=True)
class Live:
    """A running server."""

    port: int
    server: Server
    registry: Registry
    root: Path

    def post(self, body: str = BODY) -> tuple[int, Any]:
        """Ask for a prediction, on a connection of its own; again where a busy machine made this client a slow one."""
        for _ in range(20):
            status, answer = self._post(body)
            if status != 408:
                break
        return status, answer

    def _post(self, body: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("POST", PREDICT, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.status, json.loads(response.read())
        connection.close()
        return answer

    def state(self, path: str) -> tuple[str, str]:
        """Return number and state of the version that a path below the model names; empty when there is none."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/v1/models/delay/{path}", timeout=30) as response:
                [listed] = json.load(response)["model_version_status"]
        except urllib.error.HTTPError:
            return "", ""
        return listed["version"], listed["state"]


@contextmanager
def started(options: Options, exported: Path, folder: Path) -> Iterator[Live]:
    """Serve a registry with one model, `delay`."""
    registry = open_registry(str(folder / "models"))
    registry.promote("delay", registry.publish("delay", exported / "a", {}).version)
    listener = listen("127.0.0.1", 0)
    server = make_server(RegistryShelf(folder / "models"), options)
    port = listener.getsockname()[1]
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    deadline = time.monotonic() + 180
    while not server.started:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    yield Live(port, server, registry, folder / "models")
    server.should_exit = True
    thread.join(120)
    assert not thread.is_alive()


def get_status(port: int, path: str) -> int:
    """Ask for a path; 0 when there is no answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def answer_to(port: int, sent: bytes, *, then: bytes = b"", every: float = 0.0) -> bytes:
    """Send bytes, drip more of them, and return what comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        client.sendall(sent)
        client.settimeout(every or 60)
        received = b""
        while True:
            try:
                chunk = client.recv(65536)
            except TimeoutError:
                client.sendall(then)
                continue
            except ConnectionError:
                return received
            if not chunk:
                return received
            received += chunk
