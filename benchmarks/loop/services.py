"""The processes of the replay: the server and the handler of triggers, and calls of `mlops`."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from core.store import Store
from mlops.triggers.service import Triggers
from pipelines.config import find

MODEL = "flight_delay"
SECONDS = 900.0
"""Longest wait for anything; a machine may be ten times slower than ours."""


@dataclass(frozen=True)
class Home:
    """A store, and the use case in it that knows only the months that have been delivered."""

    root: Path
    ports: Iterator[int]
    """Ports for its servers; those below and above each are free as well."""

    @property
    def usecase(self) -> Path:
        """The use case's folder."""
        return self.root / "usecase" / MODEL

    @property
    def store(self) -> Path:
        """MLOPS_HOME."""
        return self.root / "store"

    @property
    def triggers(self) -> Triggers:
        """The triggers of the store, read in this process."""
        return Triggers(Store(self.store), {})

    @property
    def clock(self) -> Path:
        """The file with the replay's time."""
        return self.root / "clock"

    def make(self) -> None:
        """Copy the use case without what fetches data, with every cause allowed at once."""
        self.usecase.mkdir(parents=True)
        self.store.mkdir()
        for name in ("schema.pbtxt", "module.py", "config.yaml"):
            (self.usecase / name).write_bytes((find(MODEL) / name).read_bytes())
        path = self.usecase / "config.yaml"
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
        config["triggers"] = {cause: {} for cause in ("manual", "drift", "performance")}
        config["schedules"] = {}
        path.write_text(yaml.safe_dump(config), encoding="utf-8")

    def deliver(self, month: int, content: bytes) -> None:
        """Put a month's flights where the pipeline finds them."""
        target = self.store / "data" / MODEL / f"span-{month}" / "flights.parquet"
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = target.with_suffix(".part")
        scratch.write_bytes(content)
        scratch.replace(target)

    def mlops(self, *arguments: str, codes: tuple[int, ...] = (0,)) -> Any:
        """Call a verb with --json and return its answer; RuntimeError for another exit code."""
        command = [sys.executable, "-m", "mlops.cli.main", *arguments, "--json"]
        ran = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        if ran.returncode not in codes:
            raise RuntimeError(f"mlops {' '.join(arguments)} ended with {ran.returncode}: {ran.stderr[-2000:]}")
        return json.loads(ran.stdout)

    def champion(self) -> int:
        """Return the version in production."""
        [model] = self.mlops("models", "list", MODEL)["models"]
        return int(model["champion"])

    @property
    def environment(self) -> dict[str, str]:
        """Of every process of the replay."""
        return {**os.environ, "MLOPS_HOME": str(self.store)}


@contextmanager
def process(home: Home, name: str, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process during the block; its output goes to two files beside the store."""
    with (home.root / f"{name}.out").open("wb") as out, (home.root / f"{name}.log").open("wb") as log:
        running = subprocess.Popen([sys.executable, "-m", *command], env=home.environment, stdout=out, stderr=log)
        try:
            yield running
        finally:
            running.send_signal(signal.SIGTERM)
            try:
                running.wait(60)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()


@dataclass(frozen=True)
class Server:
    """A running model server."""

    address: str

    def predict(self, rows: list[dict[str, Any]], request_id: str) -> list[float]:
        """Ask what is in production about some rows."""
        path = f"/v1/models/{MODEL}:predict"
        headers = {"content-type": "application/json", "x-request-id": request_id}
        request = urllib.request.Request(self.address + path, json.dumps({"instances": rows}).encode(), headers)
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            found = json.load(answer)["predictions"]
        return [float(one[0] if isinstance(one, list) else one) for one in found]

    def get(self, path: str) -> bytes:
        """Get a path."""
        with urllib.request.urlopen(self.address + path, timeout=60) as answer:
            content: bytes = answer.read()
            return content

    def version(self) -> int:
        """Return the version that answers when none is named."""
        return int(self._metric("mlops_serving_champion_version"))

    def logged(self) -> int:
        """Return how many rows are in the prediction log."""
        return int(self._metric("mlops_serving_prediction_log_rows_total"))

    def _metric(self, name: str) -> float:
        lines = self.get("/metrics").decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name}{{"))


@contextmanager
def serving(home: Home) -> Iterator[Server]:
    """Serve what is in production in a home, with a prediction log by the replay's clock."""
    port = next(home.ports)
    arguments = ["--port", str(port), "--workers", "1", "--prediction-log", "--prediction-log-seconds", "3600"]
    with process(home, "server", "benchmarks.loop.server", str(home.clock), "serve", MODEL, *arguments) as running:
        server = Server(f"http://127.0.0.1:{port}")
        wait_until(lambda: answers(lambda: server.get("/readyz")), "the server is ready", running)
        yield server


@contextmanager
def handling(home: Home) -> Iterator[str]:
    """Run the handler of triggers, and yield its address."""
    port = next(home.ports)
    command = ("mlops.cli.main", "trigger", "serve", str(home.usecase), "--port", str(port), "--json")
    with process(home, "handler", *command) as running:
        address = f"http://127.0.0.1:{port}/"
        check = Server(address.rstrip("/"))
        wait_until(lambda: answers(lambda: check.get("/healthz")), "the handler answers", running)
        yield address


def watched(home: Home, *arguments: str) -> Any:
    """Let `mlops monitor --watch` do its first round, and return what it printed; RuntimeError when it ends."""
    printed = home.root / "monitor.out"
    command = ("mlops.cli.main", "monitor", str(home.usecase), "--watch", "--json", *arguments)
    with process(home, "monitor", *command) as running:
        wait_until(lambda: printed.read_bytes().endswith(b"\n}\n"), "the monitor has done a round", running)
        return json.loads(printed.read_bytes())


def wait_until(is_so: Callable[[], bool], what: str, running: subprocess.Popen[bytes] | None = None) -> float:
    """Wait until something is so, and return the seconds; RuntimeError after the deadline, or when a process ends."""
    began = time.monotonic()
    while not is_so():
        if running is not None and running.poll() is not None:
            raise RuntimeError(f"wanted that {what}, but its process ended with {running.returncode}; see its log")
        if time.monotonic() - began > SECONDS:
            raise RuntimeError(f"wanted that {what}, and waited {SECONDS:g} s")
        time.sleep(0.1)
    return time.monotonic() - began


def answers(ask: Callable[[], bytes]) -> bool:
    """Whether a server answers with 200."""
    try:
        ask()
    except OSError:
        return False
    return True
