"""The model server against KServe's Python server and a plain FastAPI server, and where a request's time goes.

`python -m benchmarks.serving` measures the model in production of `flight_delay` in the store. The peers run in an
interpreter of their own, as KServe's dependencies are not this project's: one with the packages kserve, fastapi,
uvicorn and tensorflow, given with --peers. Every round asks all servers the same, in turns; the median ratio counts.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import psutil  # type: ignore[import-untyped]

from benchmarks.serving.load import answer, load, request_of
from benchmarks.serving.profile import profile

ROOT = Path(__file__).resolve().parents[2]
NAME = "flight_delay"
ROWS = (1, 16, 256)
CLIENTS = (1, 4, 16)
OURS = "ours"
GOALS = {"kserve": 3.0, "plain": 1.5}
"""How many times a peer's throughput is wanted."""
_START_SECONDS = 300.0


class Server(NamedTuple):
    """A server, and the path that predicts."""

    name: str
    port: int
    path: str


class Running(NamedTuple):
    """A started server and its first process."""

    server: Server
    process: psutil.Process

    def cpu_seconds(self) -> float:
        """Return the CPU time of all its processes."""
        times = [each.cpu_times() for each in (self.process, *self.process.children(recursive=True))]
        return float(sum(each.user + each.system for each in times))


class Seen(NamedTuple):
    """One measurement; the CPU time of a request is what a busy machine disturbs least."""

    per_second: float
    median_ms: float
    p99_ms: float
    cpu_ms: float


class Case(NamedTuple):
    """One row of the table."""

    rows: int
    clients: int


Rounds = Mapping[str, Mapping[Case, Sequence[Seen]]]
"""By server and case, one measurement per round."""


def main() -> None:
    """Measure and print; 1 when a goal is missed, or could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument("--store", type=Path, default=Path(".mlops"), help="a store after `mlops run flight_delay`")
    parser.add_argument("--peers", type=Path, help="the interpreter of the peers; without it, ours alone is measured")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--seconds", type=float, default=1.5, help="per case, server and round; default: %(default)s")
    parser.add_argument("--port", type=int, default=18400, help="the first of three ports; default: %(default)s")
    asked = parser.parse_args()
    model = model_of(asked.store)
    bodies = {rows: body_of(model, rows) for rows in ROWS}
    print(f"load {os.getloadavg()[0]:.1f} on {len(os.sched_getaffinity(0))} CPUs", flush=True)
    with ExitStack() as running:
        servers = [running.enter_context(server) for server in _servers(asked, model)]
        rounds = _measure(servers, bodies, asked.rounds, asked.seconds)
        print(profile(model, bodies, servers[0].server.port, servers[0].server.path, asked.seconds), flush=True)
    print(f"load {os.getloadavg()[0]:.1f} at the end")
    sys.exit(0 if _report(rounds) else 1)


def model_of(store: Path) -> Path:
    """Return the newest model in a store; ends the program when there is none."""
    found = sorted((store / "models" / NAME).glob("[0-9]*"), key=lambda path: int(path.name))
    if not found:
        sys.exit(f"error: {store}: wanted a model of {NAME}, got none; `MLOPS_HOME={store} mlops run {NAME}` makes one")
    return found[-1]


def body_of(model: Path, rows: int) -> bytes:
    """Repeat the real rows that training stored with the model."""
    lines = (model / "assets.extra" / "warm_up_rows.jsonl").read_text(encoding="utf-8").splitlines()
    found = [json.loads(line) for line in lines]
    return json.dumps({"instances": (found * rows)[:rows]}).encode()


def _servers(asked: argparse.Namespace, model: Path) -> Sequence[AbstractContextManager[Running]]:
    port, store = asked.port, {"MLOPS_HOME": str(asked.store.absolute())}
    argv = ["-m", "mlops.cli.main", "serve", NAME, "--port", str(port)]
    servers = [running_server(Server(OURS, port, f"/v1/models/{NAME}:predict"), [sys.executable, *argv], store)]
    if asked.peers is None:
        print("the peers are not measured: --peers names no interpreter")
        return servers
    peers = [
        (
            Server("kserve", port + 1, f"/v1/models/{NAME}:predict"),
            ["-m", "benchmarks.serving.kserve_server", str(model), str(port + 1)],
        ),
        (
            Server("plain", port + 2, "/predict"),
            ["-m", "uvicorn", "benchmarks.serving.plain_server:app", "--workers", "2", "--port", str(port + 2)],
        ),
    ]
    for server, argv in peers:
        servers.append(running_server(server, [str(asked.peers), *argv], {"BENCHMARK_MODEL": str(model)}))
    return servers


@contextmanager
def running_server(server: Server, command: Sequence[str], environment: Mapping[str, str]) -> Iterator[Running]:
    """Start a server, wait until it predicts, and end it with the measurement."""
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore"}
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **quiet, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield Running(server, psutil.Process(process.pid))
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        process.kill()


def wait_for(server: Server, body: bytes) -> list[list[float]]:
    """Return the first predictions of a server; ends the program when it does not start."""
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            found: list[list[float]] = json.loads(answer(server.port, request_of(server.path, body)))["predictions"]
        except (OSError, RuntimeError) as error:
            if time.monotonic() > deadline:
                sys.exit(f"error: {server.name} did not answer within {_START_SECONDS:g} s: {error}")
            time.sleep(0.5)
        else:
            return found


def _measure(servers: Sequence[Running], bodies: Mapping[int, bytes], rounds: int, seconds: float) -> Rounds:
    """Measure every case of every server in turns, after a look at whether they predict the same."""
    found: dict[str, dict[Case, list[Seen]]] = {server.name: {} for server, _ in servers}
    predictions = [wait_for(server, bodies[16]) for server, _ in servers]
    for (server, _), predicted in zip(servers, predictions, strict=True):
        differences = [abs(a[0] - b[0]) for a, b in zip(predicted, predictions[0], strict=True)]
        if max(differences) > 1e-5:
            sys.exit(f"error: {server.name} predicts {max(differences):g} off: the servers do not do the same work")
    for number in range(rounds):
        for case in (Case(rows, clients) for rows in ROWS for clients in CLIENTS):
            for running in (*servers[number % len(servers) :], *servers[: number % len(servers)]):
                seen = _ask(running, bodies[case.rows], case.clients, seconds)
                found[running.server.name].setdefault(case, []).append(seen)
        print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    return found


def _ask(running: Running, body: bytes, clients: int, seconds: float) -> Seen:
    before = running.cpu_seconds()
    found = load(running.server.port, request_of(running.server.path, body), clients, seconds)
    return Seen(*found[:3], 1e3 * (running.cpu_seconds() - before) / found.requests)


def _report(rounds: Rounds) -> bool:
    """Print the medians and the ratios; False when a goal is missed."""
    peers = [name for name in rounds if name != OURS]
    head = "".join(f" | {'x ' + peer:>8} {'p99':>5} {'CPU':>5}" for peer in peers)
    print(f"\n{'rows x clients':<15}{'requests/s':>10}{'median ms':>10}{'p99 ms':>10}{'CPU ms':>10}{head}")
    kept = bool(peers)
    for case, ours in rounds[OURS].items():
        line = f"{case.rows:>4} x {case.clients:<8}"
        line += "".join(f"{statistics.median(values):>10.2f}" for values in zip(*ours, strict=True))
        for peer in peers:
            pairs = list(zip(ours, rounds[peer][case], strict=True))
            throughput = statistics.median(mine.per_second / its.per_second for mine, its in pairs)
            p99 = statistics.median(mine.p99_ms / its.p99_ms for mine, its in pairs)
            is_kept = throughput >= GOALS[peer] and p99 <= 1.0
            kept = kept and is_kept
            cpu = statistics.median(mine.cpu_ms / its.cpu_ms for mine, its in pairs)
            line += f" | {throughput:>8.2f} {p99:>5.2f} {cpu:>5.2f}{'' if is_kept else ' BELOW'}"
        print(line)
    return kept


if __name__ == "__main__":
    main()
