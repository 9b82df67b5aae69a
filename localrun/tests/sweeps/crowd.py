"""Many runs at once on one store, some of them killed: `python -m tests.sweeps crowd` of this repository.

Runs with the same salt have the same cache keys. No process meets a locked journal, no run sees another's values, no
key is computed twice unless its computing run was killed, and in the end every run has succeeded.
"""

import collections
import contextlib
import json
import random
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sweeps import small_run

import localrun
from localrun import Environment, Hosts, Options, Run, State

TASKS = 8


@dataclass(frozen=True)
class Crowd:
    """How many, of how many kinds, and how many die."""

    runs: int = 50
    kinds: int = 10
    kills: int = 10
    seed: int = 0


@dataclass(frozen=True)
class Outcome:
    """What came of it."""

    killed: int
    resumed: int
    keys: int
    """Cache keys that were computed."""
    again: int
    """Tasks that were computed once more, after the run that computed them was killed."""
    locked: int
    """Processes that met a locked journal."""
    problems: list[str]


def crowd(asked: Crowd, folder: Path) -> Outcome:
    """Let them run; returns what is wrong, and some counts."""
    pipeline, store, project = small_run.compiled(folder), folder / "store", folder / "project"
    project.mkdir()
    chance = random.Random(asked.seed)
    began = time.monotonic()
    processes = [_start(pipeline, store, project, number % asked.kinds) for number in range(asked.runs)]
    while sum(1 for _ in (store / "runs").glob("*")) < asked.runs // 3 and any(
        process.poll() is None for process in processes
    ):
        time.sleep(0.01)
    pause = (time.monotonic() - began) / 4 / asked.kills  # all have begun after half as long again
    killed = _kill(processes, asked.kills, pause, chance)
    said = [process.communicate(timeout=600) for process in processes]
    found = [
        f"a run that nobody killed ended with {p.returncode}: {argv[1]}"
        for p, argv in zip(processes, said, strict=True)
        if p.returncode not in {0, -9}
    ]
    locked = [f"the journal was locked: {err}" for _, err in said if "locked" in err]
    found += locked
    resumed = _resume(store, project)
    found += [problem for run in _runs(store) for problem in _wrong(run)]
    computed = collections.Counter((folder / "ran").read_text().splitlines())
    again = sum(count - 1 for count in computed.values())
    if again > 2 * killed:  # a run has two tasks under way, and both may be computed by nobody else's fault
        found.append(
            f"{again} tasks were computed again, after {killed} kills: "
            f"{[key for key, count in computed.items() if count > 1]}"
        )
    if len(computed) != asked.kinds * TASKS:
        found.append(f"{len(computed)} keys were computed, wanted {asked.kinds * TASKS}")
    # A run that was killed before it was recorded leaves its folder, which `clean` removes.
    left = [str(path.relative_to(store)) for path in store.rglob(".staging-*")]
    if left := [name for name in left if not name.startswith("runs/")]:
        found.append(f"staging is left: {left}")
    return Outcome(killed, resumed, len(computed), again, len(locked), found)


def _start(pipeline: Path, store: Path, project: Path, kind: int) -> "subprocess.Popen[str]":
    argv = small_run.command(pipeline, store, project, "-p", f"salt={kind}")
    return subprocess.Popen(argv, env=small_run.variables(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _kill(processes: list["subprocess.Popen[str]"], kills: int, pause: float, chance: random.Random) -> int:
    """Kill so many of those that still run, at random moments; returns how many there were.

    `pause` has the mean seconds between two.
    """
    killed = 0
    while killed < kills:
        alive = [process for process in processes if process.poll() is None]
        if not alive:
            break
        time.sleep(chance.uniform(0.0, 2 * pause))
        chosen = chance.choice(alive)
        killed += chosen.poll() is None
        chosen.kill()
    return killed


def _resume(store: Path, project: Path) -> int:
    environments = {"alpine": Environment(cwd=project, sources={"*": (project,)})}
    interrupted = [run.run_id for run in localrun.runs(store) if run.state is not State.SUCCEEDED]
    with Hosts() as hosts:
        for run_id in interrupted:
            localrun.resume(run_id, store=store, environments=environments, options=Options(hosts=hosts))
    return len(interrupted)


def _runs(store: Path) -> Iterator[Run]:
    for known in localrun.runs(store):
        yield localrun.show(store, known.run_id)


def _wrong(run: Run) -> Iterator[str]:
    salt = run.parameters["salt"]
    if run.state is not State.SUCCEEDED:
        yield f"{run.run_id}: {run.state} {[task.error for task in run.tasks if task.error]}"
    for task in run.tasks:
        for artifact in task.outputs.artifacts.values():
            with contextlib.suppress(FileNotFoundError):
                if (artifact.path / "part").read_text().startswith(f"{salt}+"):
                    continue
            yield f"{run.run_id}: {task.path}: an artifact of another run, or none"
    if run.outputs.parameters != {"Output": f"{salt}+1+2+3+7+8"}:
        yield f"{run.run_id}: {json.dumps(dict(run.outputs.parameters))}"
