"""Kills or fails a small run at every system call that changes state, then resumes it: `python -m sweeps.death`.

Uses strace, which counts calls per thread: point (call, n) is the n-th such call of whichever thread of the runner, its
warm process or a task comes to n first.
"""

import argparse
import collections
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sweeps import small_run

CALLS = (
    "write",
    "pwrite64",
    "fsync",
    "fdatasync",
    "rename",
    "mkdir",
    "rmdir",
    "unlink",
    "unlinkat",
    "ftruncate",
    "fallocate",
    "symlink",
    "link",
    "chmod",
)
FAULTS = {"KILL": "signal=KILL", "ENOSPC": "error=ENOSPC", "EIO": "error=EIO"}
SECONDS = 60
"""A point that takes longer has left a process behind, or hangs."""


@dataclass(frozen=True)
class Point:
    """One place to fail at."""

    fault: str
    call: str
    number: int


@dataclass(frozen=True)
class Setting:
    """What all points share."""

    pipeline: Path
    folder: Path
    whole: list[Any]


def missing() -> str:
    """Say why the sweep cannot be done here, or nothing."""
    if shutil.which("strace") is None:
        return "strace is not installed (apt-get install strace)"
    done = subprocess.run(["strace", "-f", "-o", os.devnull, "true"], capture_output=True, text=True, check=False)
    return f"strace may not trace here: {done.stderr.strip()}" if done.returncode else ""


def traced(setting: Setting, name: str, *options: str) -> "subprocess.CompletedProcess[str]":
    """Run once under strace, which ends when every process of the run has ended."""
    project = setting.folder / name / "project"
    project.mkdir(parents=True)
    argv = small_run.command(setting.pipeline, setting.folder / name / "store", project)
    strace = ["strace", "-f", "-qq", "--seccomp-bpf", "-o", str(setting.folder / name / "trace"), *options]
    return subprocess.run(
        [*strace, *argv],
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
        env=small_run.variables(),
        cwd=project,
    )


def points(setting: Setting) -> list[Point]:
    """Run once without a fault and return every place where it could have failed."""
    done = traced(setting, "count", f"--trace={','.join(CALLS)}")
    if done.returncode:
        sys.exit(f"error: without a fault it ended with {done.returncode}: {done.stderr}")
    counts: collections.Counter[tuple[str, str]] = collections.Counter()
    for line in (setting.folder / "count" / "trace").read_text(errors="replace").splitlines():
        match = re.match(r"(\d+) +(\w+)\(", line)
        if match and match[2] in CALLS:
            counts[match[1], match[2]] += 1
    most = {call: max((count for (_, name), count in counts.items() if name == call), default=0) for call in CALLS}
    return [
        Point(fault, call, number) for fault in FAULTS for call, count in most.items() for number in range(1, count + 1)
    ]


def setting_in(folder: Path) -> Setting:
    """Compile, and run once undisturbed to know what every other run must come to."""
    pipeline = small_run.compiled(folder)
    (folder / "whole").mkdir()
    run, _ = small_run.go_on(pipeline, folder / "whole-store", folder / "whole")
    return Setting(pipeline, folder, small_run.facts(run))


def try_point(setting: Setting, point: Point) -> tuple[Point, bool, list[str]]:
    """Fail at a point and go on; returns whether the fault was met, and what is wrong afterwards."""
    name = f"{point.fault}-{point.call}-{point.number}"
    inject = f"inject={point.call}:{FAULTS[point.fault]}:when={point.number}"
    try:
        traced(setting, name, f"--trace={point.call}", "-e", inject)
        met = (
            "INJECTED" in (text := (setting.folder / name / "trace").read_text(errors="replace"))
            or "killed by SIGKILL" in text
        )
        found = small_run.problems(
            setting.whole, setting.pipeline, setting.folder / name / "store", setting.folder / name / "project"
        )
    except subprocess.TimeoutExpired:
        return point, True, [f"not over after {SECONDS} s: a process was left behind or hangs"]
    except Exception:
        return point, True, [traceback.format_exc()]
    if not found:
        shutil.rmtree(setting.folder / name)
    return point, met, found


def sweep(setting: Setting, chosen: list[Point], workers: int) -> int:
    """Try points, print what is wrong and a summary; returns how many are wrong."""
    began, wrong, met = time.monotonic(), 0, collections.Counter[str]()
    with ProcessPoolExecutor(workers) as pool:
        for number, (point, was_met, found) in enumerate(pool.map(partial(try_point, setting), chosen), 1):
            met[point.fault] += was_met
            wrong += bool(found)
            for argv in found:
                print(f"{point.fault} at {point.call} {point.number}: {argv}", flush=True)
            if number % 100 == 0:
                print(
                    f"{number} of {len(chosen)} points, {wrong} wrong, {time.monotonic() - began:.0f} s",
                    file=sys.stderr,
                    flush=True,
                )
    print(
        f"{len(chosen)} points ({', '.join(f'{fault} {count}' for fault, count in met.items())} met), "
        f"{wrong} wrong, {time.monotonic() - began:.0f} s"
    )
    return wrong


def main() -> None:
    """Return 1 when a point is wrong, 77 when the sweep cannot be done here."""
    parser = argparse.ArgumentParser(prog="python -m sweeps.death", description=__doc__)
    parser.add_argument("--sample", type=int, help="this many points, chosen by --seed, instead of all")
    parser.add_argument("--fault", choices=FAULTS, help="only this fault")
    parser.add_argument("--call", choices=CALLS, help="only at this system call")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    asked = parser.parse_args()
    reason = missing()
    if reason:
        print(f"skipped: {reason}")
        sys.exit(77)
    folder = Path(tempfile.mkdtemp(prefix="sweep-"))
    setting = setting_in(folder)
    chosen = [p for p in points(setting) if asked.fault in {None, p.fault} and asked.call in {None, p.call}]
    if asked.sample:
        chosen = random.Random(asked.seed).sample(chosen, min(asked.sample, len(chosen)))
    wrong = sweep(setting, chosen, asked.workers)
    if wrong:
        print(f"what was left behind is in {folder}")
        sys.exit(1)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
