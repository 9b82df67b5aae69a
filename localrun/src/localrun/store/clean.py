"""Removes old runs with everything that only they use: folders, artifacts, cache entries."""

import contextlib
import os
import re
import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from localrun.errors import ParameterError
from localrun.records import TaskRun
from localrun.store.journal import Journal
from localrun.store.layout import Layout, alone, is_owned, locked

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True)
class Plan:
    """What is removed with runs older than a moment."""

    runs: tuple[str, ...] = ()
    executions: tuple[str, ...] = ()
    """Entries of the cache."""
    folders: tuple[Path, ...] = ()
    size: int = 0
    """Bytes that will be freed."""
    kept: dict[str, str] = field(default_factory=dict)
    """Runs that are being executed, with what stays because of that."""


def age(text: str) -> timedelta:
    """Read `30d`, `12h`, `90m` or `2w`; ParameterError for anything else."""
    match = re.fullmatch(r"(\d{1,6})([mhdw])", text)
    if match is None:
        raise ParameterError(f"--older-than {text}: wanted a number with m, h, d or w, such as 30d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def plan(layout: Layout, journal: Journal, before: datetime) -> Plan:
    """List what would be removed; changes nothing."""
    rows = journal.runs()
    old = {row.run_id for row in rows if row.started.astimezone(UTC) < before}
    busy = {row.run_id for row in rows if is_owned(layout, row.run_id)}
    gone = sorted(old - busy)
    staying = {row.run_id for row in rows} - set(gone)
    if busy:  # any cache entry may be its next hit
        folders = [layout.run(run_id) for run_id in gone]
        return Plan(
            tuple(gone),
            (),
            tuple(folders),
            sum(map(_size, folders)),
            dict.fromkeys(sorted(busy), "is being executed: the cache stays as it is"),
        )
    used = {execution for run_id in staying for task in journal.tasks(run_id) for execution in _used(task)}
    entries = journal.executions()
    unused = {e.execution for e in entries if e.run_id not in staying and e.execution not in used}
    places = {
        f"{e.pipeline}/{prefix}{e.execution}"
        for e in entries
        if e.execution not in unused
        for prefix in ("", ".staging-")
    }
    folders = [folder for folder in _folders(layout.root / "runs") if folder.name not in staying]
    folders += [
        folder
        for group in _folders(layout.root / "artifacts")
        for folder in _folders(group)
        if f"{group.name}/{folder.name}" not in places
    ]
    return Plan(tuple(gone), tuple(sorted(unused)), tuple(folders), sum(map(_size, folders)))


def clean(layout: Layout, journal: Journal, before: datetime) -> Plan:
    """Remove what `plan` names, and return it; no run can start meanwhile.

    The journal forgets first: a death in between leaves folders that nothing refers to, never entries without content.
    """
    with alone(layout), contextlib.ExitStack() as stack:
        chosen = plan(layout, journal, before)
        for run_id in chosen.runs:
            if layout.run(run_id).is_dir():
                stack.enter_context(locked(layout, run_id))
        journal.forget(chosen.runs, chosen.executions)
        for folder in chosen.folders:
            shutil.rmtree(folder, ignore_errors=True)
        return chosen


def _used(task: TaskRun) -> set[str]:
    return {task.execution} | {
        a.producer for values in (task.inputs, task.outputs) for a in values.every_artifact().values()
    }


def _folders(place: Path) -> list[Path]:
    return sorted(path for path in place.iterdir() if path.is_dir()) if place.is_dir() else []


def _size(folder: Path) -> int:
    total = 0
    for place, _, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(OSError):
                total += Path(place, name).lstat().st_blocks * 512
    return total
