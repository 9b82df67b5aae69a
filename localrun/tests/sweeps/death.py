"""Kills or fails a small run at any system call that changes state, and then resumes it.

The full sweep is `python -m tests.sweeps faults --target runner` of this repository.
"""

import shutil
import subprocess
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweeps import small_run
from sweeps.points import CALLS, Point, counted, was_met

SECONDS = 120
"""A point that takes longer has left a process behind, or hangs."""


@dataclass(frozen=True)
class Setting:
    """What all points share."""

    pipeline: Path
    folder: Path
    whole: list[Any]


def traced(setting: Setting, name: str, *options: str) -> "subprocess.CompletedProcess[str]":
    """Run once under strace, which ends when every process of the run has ended."""
    project = setting.folder / name / "project"
    project.mkdir(parents=True)
    argv = small_run.command(setting.pipeline, setting.folder / name / "store", project)
    strace = ["strace", "-f", "-qq", "-o", str(setting.folder / name / "trace"), *options]
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
        raise RuntimeError(f"without a fault it ended with {done.returncode}: {done.stderr}")
    return counted(setting.folder / "count" / "trace")


def setting_in(folder: Path) -> Setting:
    """Compile, and run once undisturbed to know what every other run must come to."""
    pipeline = small_run.compiled(folder)
    (folder / "whole").mkdir()
    run, _ = small_run.go_on(pipeline, folder / "whole-store", folder / "whole")
    return Setting(pipeline, folder, small_run.facts(run))


def try_point(setting: Setting, point: Point) -> tuple[Point, bool, list[str]]:
    """Fail at a point and go on; returns whether the fault was met, and what is wrong afterwards."""
    name = f"{point.fault}-{point.call}-{point.number}"
    try:
        traced(setting, name, *point.options)
        met = was_met(point, setting.folder / name / "trace")
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
