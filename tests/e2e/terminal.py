"""Calls `mlops` as a user does, starts a server with it, and sends requests to the server."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from core.errors import MlopsError
from mlops.cli.main import cli
from tests.free_port import free_port


class Terminal:
    """Calls `mlops` with one store; what runs, serves or dies does so in a process of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = {**os.environ, "MLOPS_HOME": str(home)}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "mlops.cli.main", *arguments]
        return subprocess.Popen(
            command,
            env=self.environment,
            cwd=self.home.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def call(self, *arguments: str, exits: int = 0) -> Any:
        process = self.start(*arguments, "--json")
        out, err = process.communicate(timeout=600)
        assert process.returncode == exits, f"{arguments}: {out[-3000:]} {err[-3000:]}"
        return json.loads(out)

    def ask(self, *arguments: str, exits: int = 0) -> Any:
        """Call a verb that starts nothing in this process, which has its imports."""
        asked = CliRunner().invoke(cli, [*arguments, "--json"], env=self.environment)
        code = asked.exception.exit_code if isinstance(asked.exception, MlopsError) else asked.exit_code
        assert code == exits, f"{arguments}: {asked.output[-3000:]} {asked.exception!r}"
        return json.loads(asked.stdout)

    def refused(self, *arguments: str) -> str:
        """Call a verb that starts nothing and fails; return its error."""
        asked = CliRunner().invoke(cli, arguments, env=self.environment)
        assert isinstance(asked.exception, MlopsError), asked.output
        return str(asked.exception)

    def model(self) -> Any:
        (model,) = self.ask("models", "list", "flight_delay")["models"]
        return model


@contextmanager
def serving(terminal: Terminal, *usecases: str) -> Iterator[str]:
    """Serve use cases until the end of the block; yields the server's address."""
    port = free_port()
    server = terminal.start("serve", *usecases, "--port", str(port))
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_for(f"{address}/readyz", server)
        yield address
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=180) == 0


def answer(url: str, body: dict[str, Any] | None = None) -> Any:
    """Send a request; return the JSON of the response."""
    request = urllib.request.Request(
        url, data=json.dumps(body).encode() if body else None, headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=180) as response:
        return json.load(response)


def _wait_for(url: str, server: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        assert server.poll() is None, server.communicate()[1]
        try:
            with urllib.request.urlopen(url, timeout=10):
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"{url} did not answer within 300 s")
