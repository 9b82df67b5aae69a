"""`mlops serve` as a process of its own, started and asked by tests."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.free_port import free_port
from tests.unit.serving.forked_program import ForkedProgram, start

ROW: dict[str, Any] = {"carrier": "AA", "hour": 17, "distance": 1089.0, "temp": 55.9}
BODY = json.dumps({"instances": [ROW]})
PREDICT = "/v1/models/flight_delay:predict"


@dataclass
class Served:
    process: "subprocess.Popen[str] | ForkedProgram"
    port: int
    log: Path
    home: Path

    def children(self) -> list[int]:
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in listed.split()]

    def workers(self) -> list[int]:
        """The children of a server of a local registry but the first, which decides about canaries."""
        return self.children()[1:]

    def ask(self, path: str, body: str | None = None, *, port: int | None = None) -> tuple[int, str]:
        """Ask once, on a connection of its own; status 0 when there was no answer."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=60)
        try:
            connection.request(
                "POST" if body else "GET", path, body, {"Content-Type": "application/json"} if body else {}
            )
            response = connection.getresponse()
            return response.status, response.read().decode()
        except OSError as error:
            return 0, str(error)
        finally:
            connection.close()

    @contextmanager
    def begun(self, path: str) -> Iterator[http.client.HTTPConnection]:
        """Give the connection of a request that a worker has begun with; its body, BODY, has not come yet."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            connection.putrequest("POST", path)
            connection.putheader("Content-Length", str(len(BODY)))
            connection.putheader("Expect", "100-continue")
            connection.endheaders()
            assert connection.sock.recv(64) == b"HTTP/1.1 100 Continue\r\n\r\n"
            yield connection

    def until(self, holds: Callable[[], bool], seconds: float = 180) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)

    def stop(self, seconds: float = 120) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)


def send(number: signal.Signals, groups: Iterable[Iterable[int]], pause: float = 0.5) -> None:
    """Send a signal to one group of processes after the other, with a pause of some seconds after each."""
    for group in groups:
        for pid in group:
            with suppress(ProcessLookupError):  # one with nothing to finish may have ended
                os.kill(pid, number)
        time.sleep(pause)


@contextmanager
def serving(
    home: Path, *arguments: str, environment: Mapping[str, str] | None = None, anew: bool = False
) -> Iterator[Served]:
    """Start the verb on a free port; whatever it left is ended with the test.

    It is forked from a process that has imported TensorFlow, unless its memory matters or it imports none: `anew`.
    """
    port = free_port()
    at = [] if "--vertex" in arguments else ["--port", str(port)]  # Vertex AI says it with a variable
    argv = ["serve", *arguments, *at, "--json"]
    given = os.environ | {"MLOPS_HOME": str(home), "AIP_HTTP_PORT": str(port)} | (environment or {})
    log = home / f"log-{port}"
    with log.open("w") as stream:
        process: subprocess.Popen[str] | ForkedProgram
        if anew:
            command = [sys.executable, "-m", "mlops.cli.main", *argv]
            process = subprocess.Popen(command, env=given, stdout=subprocess.PIPE, stderr=stream, text=True)
        else:
            process = start(argv, given, stream)
    try:
        yield Served(process, port, log, home)
    finally:
        process.kill()
        process.wait()
