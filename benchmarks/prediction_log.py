"""What the prediction log costs: the same server with it and without it, asked the same at the same time.

`python -m benchmarks.prediction_log` serves the model in production of `flight_delay` in the store from two servers of
one worker each. The CPU time of the processes that answer is compared per request: what else the machine does slows
both down alike. What turns the log into examples, at the lowest priority, is counted apart.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

import psutil  # type: ignore[import-untyped]

from benchmarks.serving.__main__ import NAME, ROWS, Running, Server, body_of, model_of, running_server, wait_for
from benchmarks.serving.load import load, request_of

GOAL = 1.05
"""CPU time of a request with the log, over that without."""
_WRITTEN_SECONDS = 2.5
"""After a load: what waited is written within a second."""


class Seen(NamedTuple):
    """One measurement, per request in microseconds."""

    answering: float
    converting: float
    per_second: float


def main() -> None:
    """Measure and print; 1 when the log costs more than the goal."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prediction_log", description=__doc__)
    parser.add_argument("--store", type=Path, default=Path(".mlops"), help="a store after `mlops run flight_delay`")
    parser.add_argument("--rounds", type=int, default=7, help="default: %(default)s")
    parser.add_argument("--seconds", type=float, default=3.0, help="per load; default: %(default)s")
    parser.add_argument("--port", type=int, default=18420, help="the first of two ports; default: %(default)s")
    asked = parser.parse_args()
    model = model_of(asked.store)
    bodies = {rows: body_of(model, rows) for rows in ROWS}
    print(f"load {os.getloadavg()[0]:.1f} on {len(os.sched_getaffinity(0))} CPUs", flush=True)
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        servers = [stack.enter_context(server) for server in _servers(asked, Path(scratch))]
        for running in servers:
            wait_for(running.server, bodies[1])
        rounds = list(_rounds(servers, bodies, asked))
    print(f"load {os.getloadavg()[0]:.1f} at the end")
    sys.exit(0 if _report(rounds) else 1)


def _servers(asked: argparse.Namespace, scratch: Path) -> Iterator[AbstractContextManager[Running]]:
    """Start both; each has a store of its own, with the same models."""
    for number, options in enumerate(([], ["--prediction-log", "--prediction-log-seconds", "2"])):
        store = scratch / f"store-{number}"
        store.mkdir()
        (store / "models").symlink_to((asked.store / "models").absolute())
        server = Server("with the log" if options else "without", asked.port + number, f"/v1/models/{NAME}:predict")
        command = [sys.executable, "-m", "mlops.cli.main", "serve", NAME, "--port", str(server.port), "--workers", "1"]
        yield running_server(server, [*command, *options], {"MLOPS_HOME": str(store)})


def _rounds(
    servers: Sequence[Running], bodies: Mapping[int, bytes], asked: argparse.Namespace
) -> Iterator[Mapping[tuple[str, int], Seen]]:
    with ThreadPoolExecutor(len(servers)) as threads:
        for number in range(asked.rounds):
            found: dict[tuple[str, int], Seen] = {}
            for rows, body in bodies.items():
                both = threads.map(partial(_seen, body=body, seconds=asked.seconds), servers)
                found |= {(one.server.name, rows): seen for one, seen in zip(servers, both, strict=True)}
            print(f"round {number + 1} of {asked.rounds}", file=sys.stderr, flush=True)
            yield found


def _seen(running: Running, body: bytes, seconds: float) -> Seen:
    before = _cpu(running.process)
    loaded = load(running.server.port, request_of(running.server.path, body), 2, seconds)
    time.sleep(_WRITTEN_SECONDS)
    answering, converting = (
        1e6 * (now - then) / loaded.requests for now, then in zip(_cpu(running.process), before, strict=True)
    )
    return Seen(answering, converting, loaded.per_second)


def _cpu(server: psutil.Process) -> tuple[float, float]:
    """Return the CPU seconds of the processes that answer, and of those of low priority."""
    used = [0.0, 0.0]
    for process in (server, *server.children(recursive=True)):
        times = process.cpu_times()
        used[process.nice() > 0] += times.user + times.system
    return used[0], used[1]


def _report(rounds: Sequence[Mapping[tuple[str, int], Seen]]) -> bool:
    """Print the medians and the ratios; False when the goal is missed."""
    print(f"\n{'rows':>5}{'us without':>12}{'with':>8}{'ratio':>8}{'lowest':>8}{'highest':>8}{'low priority':>14}")
    kept = True
    for rows in ROWS:
        pairs = [(one["without", rows], one["with the log", rows]) for one in rounds]
        ratios = sorted(its.answering / plain.answering for plain, its in pairs)
        ratio = statistics.median(ratios)
        medians = [
            statistics.median(values) for values in zip(*((p.answering, i.answering) for p, i in pairs), strict=True)
        ]
        later = statistics.median(its.converting for _, its in pairs)
        is_kept = ratio <= GOAL
        kept = kept and is_kept
        shown = f"{rows:>5}{medians[0]:>12.0f}{medians[1]:>8.0f}{ratio:>8.3f}{ratios[0]:>8.3f}{ratios[-1]:>8.3f}"
        print(f"{shown}{later:>14.0f}{'' if is_kept else '  ABOVE'}")
    return kept


if __name__ == "__main__":
    main()
