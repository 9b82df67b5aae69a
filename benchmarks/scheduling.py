"""What a task costs beyond its work: localrun and kfp.local's SubprocessRunner on pipelines of no-op components.

`python -m benchmarks.scheduling` prints, per shape and runner, the time per task, and for localrun the part that is
not the task's own process.
"""

import argparse
import logging
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import localrun
from localrun import Environment, Hosts, Options, Run

GOAL_MS = 20.0


@dataclass(frozen=True)
class Cost:
    """Seconds of one run."""

    wall: float
    tasks: int
    own: float = 0.0
    """Seconds inside the tasks' own processes, summed."""
    beside: int = 1
    """Tasks that ran at the same time."""

    @property
    def per_task(self) -> float:
        """Milliseconds per task."""
        return self.wall / self.tasks * 1e3

    @property
    def overhead(self) -> float:
        """Milliseconds per task that the tasks' own processes do not explain."""
        return (self.wall - self.own / self.beside) / self.tasks * 1e3


def pipeline_of(shape: str, tasks: int) -> Any:
    """Return a pipeline of no-op lightweight components: each after the one before, or all at once."""
    from kfp import dsl

    from benchmarks.scheduling_component import noop

    @dsl.pipeline(name=f"{shape}-{tasks}")  # type: ignore[untyped-decorator]
    def pipeline() -> None:
        before = None
        for number in range(tasks):
            task = noop(number=number)
            if shape == "chain" and before is not None:
                task.after(before)
            before = task

    return pipeline


def compiled(shape: str, tasks: int, folder: Path) -> Path:
    """Compile such a pipeline."""
    from kfp import compiler

    path = folder / f"{shape}-{tasks}.yaml"
    compiler.Compiler().compile(pipeline_of(shape, tasks), str(path))
    return path


def ours(path: Path, tasks: int, folder: Path, hosts: Hosts) -> Cost:
    """Run once with warm processes and an empty store."""
    environments = {"python": Environment(cwd=folder, sources={"*": ()})}
    while not hosts.get(environments["python"], executes=True).is_ready:
        time.sleep(0.05)
    store = Path(tempfile.mkdtemp(dir=folder))
    began = time.monotonic()
    run = localrun.run(path, {}, store=store, environments=environments, options=Options(hosts=hosts))
    wall = time.monotonic() - began
    _check(run)
    shutil.rmtree(store)
    return Cost(wall, tasks, sum(task.seconds for task in run.tasks), 1 if "chain" in path.name else Options().workers)


def theirs(shape: str, tasks: int, folder: Path) -> Cost:
    """Run once with kfp.local, in a process of its own; it runs one task after the other, whatever the shape."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.scheduling", "--peer", shape, str(tasks), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Cost(float(done.stdout.split()[-1]), tasks)


def _peer(shape: str, tasks: int, folder: Path) -> None:
    from kfp import local

    logging.disable(logging.INFO)
    pipeline = pipeline_of(shape, tasks)
    local.init(runner=local.SubprocessRunner(use_venv=False), pipeline_root=str(folder / "peer"))
    began = time.monotonic()
    pipeline()
    print(time.monotonic() - began)


def _check(run: Run) -> None:
    if run.state != "SUCCEEDED":
        sys.exit(f"error: {run.run_id}: {run.state}: {[task.error for task in run.tasks if task.error][:1]}")


def main() -> None:
    """Measure, print, and return 1 when the goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scheduling", description=__doc__)
    parser.add_argument("--tasks", type=int, default=1000, help="tasks of localrun's pipelines (default: %(default)s)")
    parser.add_argument(
        "--peer-tasks",
        type=int,
        default=10,
        help="tasks of kfp.local's, which needs seconds for each (default: %(default)s)",
    )
    parser.add_argument(
        "--folder", type=Path, default=Path(tempfile.gettempdir()), help="where stores lie; its disk counts"
    )
    parser.add_argument("--peer", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    if asked.peer:
        _peer(asked.peer[0], int(asked.peer[1]), Path(asked.peer[2]))
        return
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory(dir=asked.folder) as name, Hosts() as hosts:
        results = [_compare(shape, asked, Path(name), hosts) for shape in ("chain", "fan-out")]
    sys.exit(0 if all(results) else 1)


def _compare(shape: str, asked: argparse.Namespace, folder: Path, hosts: Hosts) -> bool:
    log: Callable[[str], None] = print
    mine = ours(compiled(shape, asked.tasks, folder), asked.tasks, folder, hosts)
    peer = theirs(shape, asked.peer_tasks, folder)
    met = mine.overhead <= GOAL_MS
    log(f"{shape}: localrun   {mine.per_task:8.1f} ms per task ({asked.tasks} tasks, {mine.wall:.1f} s)")
    log(f"{shape}: kfp.local  {peer.per_task:8.1f} ms per task ({asked.peer_tasks} tasks, {peer.wall:.1f} s)")
    log(f"{shape}: ratio      {mine.per_task / peer.per_task:8.3f}")
    log(
        f"{shape}: overhead   {mine.overhead:8.1f} ms per task beyond its own process; "
        f"goal {GOAL_MS:g}: {'met' if met else 'MISSED'}"
    )
    return met


if __name__ == "__main__":
    main()
