"""Changes versions under load: `python -m benchmarks.serving_swaps`.

Clients ask the server without a pause while versions are published and promoted, rolled back, and published with a
damaged file. Every answer must be 200, and the value of the version that the answer names. Reported: the latency
without and with changes, the longest time in which old answers followed new ones, and the memory before and after.
"""

import argparse
import http.client
import json
import multiprocessing
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.measure import pss_mebibytes
from benchmarks.serving_swaps import models
from benchmarks.serving_swaps.clients import NAME, Clients
from core.backends.registry import Registry, open_registry

_PATIENCE_SECONDS = 300.0
_WITHOUT_FILES = ("Pss_Anon", "Pss_Shmem")
"""Pages of TensorFlow's libraries are shared with whatever else runs on the machine, and come and go with it."""
_SETTLE_SECONDS = 15.0
"""After the last change, until the memory is read: time to replace the workers that grew."""


@dataclass
class Publisher:
    """Publishes versions that predict one of a few values, so that consecutive versions differ."""

    registry: Registry
    saved_models: list[tuple[Path, float]]
    values: dict[int, float] = field(default_factory=dict)

    def publish(self) -> int:
        """Publish another version, and return its number."""
        path, value = self.saved_models[len(self.values) % len(self.saved_models)]
        number = len(self.values) + 1
        (path / "assets.extra" / "note.txt").write_text(str(number))  # equal models would be one version
        self.values[number] = value
        version = self.registry.publish(NAME, path, {}).version
        assert version == number
        return version

    def push(self) -> int:
        """Publish and promote."""
        version = self.publish()
        self.registry.promote(NAME, version)
        return version

    def push_damaged(self) -> int:
        """Publish a version, promote it, and flip a bit of its weights."""
        version = self.publish()
        path = self.registry.get(NAME, version).path
        self.registry.promote(NAME, version)
        data = next((path / "variables").glob("*.data-*"))
        content = bytearray(data.read_bytes())
        content[len(content) // 2] ^= 1
        data.write_bytes(content)
        return version

    def roll_back(self) -> int:
        """Go back to the version before."""
        self.registry.rollback(NAME)
        pointer = self.registry.pointer(NAME)
        assert pointer is not None
        return pointer.version


@dataclass
class Report:
    """What was measured; times in milliseconds, memory in MiB of the whole process tree."""

    requests: int = 0
    pushes: int = 0
    rollbacks: int = 0
    damaged: int = 0
    replaced: int = 0
    quiet: list[float] = field(default_factory=list)
    changing: list[float] = field(default_factory=list)
    mixed: list[float] = field(default_factory=list)
    """For each change, how long requests were still answered by the old version after a new answer was received."""
    before: float = 0.0
    after: float = 0.0
    problems: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return the report as rows of a Markdown table."""
        mixed = sorted(self.mixed) or [0.0]
        ratio = self.after / self.before
        quiet, changing = (f"{quantile(ms, 50)} / {quantile(ms, 99)} ms" for ms in (self.quiet, self.changing))
        return [
            f"| requests, all answered 200 by a published version | {self.requests:,} |",
            f"| pushes, rollbacks, damaged pushes | {self.pushes}, {self.rollbacks}, {self.damaged} |",
            f"| latency without changes, p50 / p99 | {quiet} |",
            f"| latency during changes, p50 / p99 | {changing} |",
            f"| old answers after new ones, median / longest | {quantile(mixed, 50)} / {mixed[-1]:.1f} ms |",
            f"| memory (PSS but files), before / after | {self.before:.0f} / {self.after:.0f} MiB, x {ratio:.3f} |",
            f"| workers replaced by fresh ones | {self.replaced} |",
        ]


def sweep(folder: Path, scale: float) -> Report:
    """Run the server and change its versions; `scale` 1.0 is 200 pushes and at least 100,000 requests."""
    home, report = folder / "home", Report()
    publisher = Publisher(open_registry(str(home / "models")), _saved_models(folder / "exported"))
    for _ in range(3):
        publisher.push()
    with _serving(home) as server:
        clients = Clients(server.port, publisher.values, report.problems)
        with clients.asking():
            _until(lambda: clients.count() >= 20_000 * scale, server)
        report.quiet = [(a.received - a.asked) * 1000 for a in clients.since(0.0)]
        time.sleep(_SETTLE_SECONDS)
        report.before = pss_mebibytes(server.process.pid, _WITHOUT_FILES)
        began = time.monotonic()
        with clients.asking():
            _change(publisher, clients, report, server, max(10, round(200 * scale)))
            _until(lambda: clients.count() >= 100_000 * scale, server)
        report.changing = [(a.received - a.asked) * 1000 for a in clients.since(began)]
        report.requests = clients.count()
        time.sleep(_SETTLE_SECONDS)
        report.after = pss_mebibytes(server.process.pid, _WITHOUT_FILES)
        report.replaced = server.log.read_text().count("is being replaced")
    return report


def _change(publisher: Publisher, clients: Clients, report: Report, server: "_Server", pushes: int) -> None:
    for number in range(1, pushes + 1):
        _follow(publisher.push, clients, report, server)
        report.pushes += 1
        if number % 10 == 0:
            _follow(publisher.roll_back, clients, report, server)
            report.rollbacks += 1
        if number % 10 == 5:
            version = publisher.push_damaged()
            _until(lambda: _state(server.port, version) == "END", server)  # noqa: B023 - called in this turn
            report.damaged += 1


def _follow(change: Callable[[], int], clients: Clients, report: Report, server: "_Server") -> None:
    """Make a change, wait until every client sees it, and note how long old answers followed new ones."""
    began = time.monotonic()
    version = change()
    _until(lambda: clients.all_see(version), server)
    time.sleep(0.1)
    seen = clients.since(began)
    first = next(answer.received for answer in seen if answer.version == version)
    last = max((answer.asked for answer in seen if answer.version != version), default=0.0)
    report.mixed.append(max(0.0, last - first) * 1000)
    print(f"version {version} {time.monotonic() - began:.1f} s, mixed {report.mixed[-1]:.1f} ms", file=sys.stderr)


@dataclass
class _Server:
    process: "subprocess.Popen[str]"
    port: int
    log: Path


@contextmanager
def _serving(home: Path) -> Iterator[_Server]:
    log = home / "serve.log"
    command = [sys.executable, "-m", "mlops.cli.main", "serve", NAME, "--port", "0", "--workers", "2"]
    with log.open("w") as stream:
        process = subprocess.Popen(
            command, env=os.environ | {"MLOPS_HOME": str(home)}, stdout=subprocess.PIPE, stderr=stream, text=True
        )
    try:
        assert process.stdout is not None
        found = re.search(r":(\d+)/v1", process.stdout.readline())
        if found is None:
            raise RuntimeError(f"the server did not start: {log.read_text()}")
        server = _Server(process, int(found[1]), log)
        _until(lambda: _status(server.port) == 200, server)
        yield server
        process.send_signal(signal.SIGTERM)
        process.wait(_PATIENCE_SECONDS)
    finally:
        process.kill()
        process.wait()


def _until(holds: Callable[[], bool], server: _Server) -> None:
    """Wait; RuntimeError with the end of the server's log when it takes too long."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not holds():
        if server.process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"waited in vain; the server's log: {server.log.read_text()[-3000:]}")
        time.sleep(0.02)


def _get(port: int, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_SECONDS)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def _status(port: int) -> int:
    return _get(port, "/readyz")[0]


def _state(port: int, version: int) -> str:
    status, content = _get(port, f"/v1/models/{NAME}/versions/{version}")
    return json.loads(content)["model_version_status"][0]["state"] if status == 200 else ""


def _saved_models(folder: Path) -> list[tuple[Path, float]]:
    """Export four models in another process, and return their folders with the values that they predict."""
    biases = [-1.0, -0.5, 0.5, 1.0]
    exporter = multiprocessing.get_context("spawn").Process(target=models.export, args=(folder, biases))
    exporter.start()
    exporter.join()
    return [(folder / str(n), json.loads((folder / f"{n}.json").read_text())) for n in range(len(biases))]


def quantile(values: list[float], percent: int) -> str:
    """Return the value below which a part of all lies, as text; `-` of none."""
    return f"{sorted(values)[min(len(values) - 1, len(values) * percent // 100)]:.1f}" if values else "-"


def main() -> None:
    """Print the report; return 1 when a request was lost or answered wrongly."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving_swaps", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="of the number of requests and changes (default: 1)")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="swaps-"))
    load = os.getloadavg()[0]
    report = sweep(folder, asked.scale)
    when = datetime.now(UTC).date().isoformat()
    print(f"{when}, {os.cpu_count()} CPUs ({platform.machine()}), load before {load:.1f}, scale {asked.scale:g}\n")
    print("\n".join(report.lines()))
    if report.problems:
        print(f"\n{len(report.problems)} problems, see {folder}:", *report.problems[:20], sep="\n")
        sys.exit(1)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
