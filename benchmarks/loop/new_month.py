"""A new month: from `mlops run` to the pushed version, and to the first answer by it from a running server.

Two stores in turns: in one the workers of the run before wait, in the other each run starts its own.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import measure
from benchmarks.loop.services import Server, answers, wait_until

MODEL = "flight_delay"
FIRST = 4
"""The span of the first run, which is not counted: it makes the version that the server begins with."""
NAMES = {"waiting": "on", "own": "off"}
"""Whose workers a run has -> MLOPS_WARM."""


@dataclass
class Month:
    """Seconds of one new month."""

    run: float
    """From the start of the command to its end: pushed, with its report."""
    answered: float
    """From the start of the command to the first answer by the new version."""
    steps: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Home:
    """A store with its server."""

    root: Path
    warm: str
    port: int

    @property
    def environment(self) -> dict[str, str]:
        """The variables of its programs."""
        return measure.environment({"MLOPS_HOME": str(self.root), "MLOPS_WARM": self.warm, "PYTHONWARNINGS": "ignore"})

    def mlops(self, *arguments: str) -> Any:
        """Call a verb with --json and return its answer; RuntimeError when it fails."""
        ran = subprocess.run(
            [sys.executable, "-m", "mlops.cli.main", *arguments, "--json"],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode:  # 3 as well: without a push there is nothing to wait for
            raise RuntimeError(
                f"mlops {' '.join(arguments)} ended with {ran.returncode}: {ran.stderr[-2000:] or ran.stdout[:2000]}"
            )
        return json.loads(ran.stdout)

    @contextmanager
    def serving(self) -> Iterator[Server]:
        """Serve what is in production."""
        command = [sys.executable, "-m", "mlops.cli.main", "serve", MODEL, "--port", str(self.port), "--workers", "1"]
        with (self.root / "server.log").open("wb") as log:
            running = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
            try:
                server = Server(f"http://127.0.0.1:{self.port}")
                wait_until(lambda: answers(lambda: server.get("/readyz")), "the server is ready", running)
                yield server
            finally:
                running.terminate()
                running.wait(60)

    def month(self, server: Server, span: int) -> Month:
        """Run the pipeline up to a new span while the server answers; RuntimeError when no version was pushed."""
        before, began = server.version(), time.monotonic()
        answered: list[float] = []

        def ask() -> None:
            wait_until(lambda: server.version() != before, "the new version answers")
            answered.append(time.monotonic() - began)

        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        result = self.mlops("run", MODEL, "--span", str(span))
        seconds = time.monotonic() - began
        asking.join()
        return Month(seconds, answered[0], {task["name"]: task["seconds"] for task in result["tasks"]})


def months(folder: Path, ports: tuple[int, int], spans: range) -> dict[str, list[Month]]:
    """Measure new months in both stores, in turns; whoever goes first swaps."""
    homes = {name: Home(folder / name, warm, port) for (name, warm), port in zip(NAMES.items(), ports, strict=True)}
    for home in homes.values():
        home.root.mkdir(parents=True)
        home.mlops("run", MODEL, "--span", str(FIRST))
    try:
        with homes["waiting"].serving() as waiting, homes["own"].serving() as own:
            return _in_turns(homes, {"waiting": waiting, "own": own}, spans)
    finally:
        homes["waiting"].mlops("workers", "stop")


def _in_turns(homes: Mapping[str, Home], servers: Mapping[str, Server], spans: range) -> dict[str, list[Month]]:
    found: dict[str, list[Month]] = {name: [] for name in homes}
    for span in spans:
        for name in list(homes) if span % 2 else list(homes)[::-1]:
            found[name].append(homes[name].month(servers[name], span))
    return found


def as_json(found: Mapping[str, list[Month]]) -> dict[str, Any]:
    """The same for a machine."""
    return {name: [vars(month) for month in many] for name, many in found.items()}


def main() -> None:
    """Usage: python -m benchmarks.loop.new_month FOLDER [PORT]: measures the months 5 and 6, and prints JSON."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # servers and workers end with us
    port = int(sys.argv[2]) if len(sys.argv) > 2 else 18_500
    found = months(Path(sys.argv[1]), (port, port + 10), range(FIRST + 1, FIRST + 3))
    print(json.dumps(as_json(found) | {"load": os.getloadavg()[0]}, indent=2))


if __name__ == "__main__":
    main()
