"""Runs a whole process and says how long it took and how much memory its tree held; leaves no process behind."""

import ctypes
import os
import signal
import subprocess
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
GRACE_SECONDS = 15.0
"""How long a tree may take to end by itself before it is killed."""


class Failed(Exception):
    """What cannot be measured, with what to do."""


@dataclass(frozen=True)
class Measured:
    """One run of one program."""

    seconds: float
    """Wall time from the start of the process to its end, imports included."""
    cpu_seconds: float
    peak_pss_mib: float | None
    """Largest sum of proportional set sizes over the process and its descendants; None when it was not sampled."""
    code: int
    output: str


@dataclass(frozen=True)
class Where:
    """What surrounds a program: variables on top of ours, and the file that takes what it says on the way."""

    environment: Mapping[str, str]
    log: Path


def run(command: Sequence[str], where: Where, *, accept: Sequence[int] = (0,), sample_memory: bool = False) -> Measured:
    """Run a command to its end; RuntimeError with the end of its log for an exit code that is not accepted."""
    _adopt_orphans()
    spare = tree()
    where.log.parent.mkdir(parents=True, exist_ok=True)
    before = os.times()
    started = time.monotonic()
    output_file = where.log.with_suffix(".out")
    # Files: a pipe ends only when every process that inherited it has ended. A session of its own: Ctrl-C reaches this
    # process alone, which then ends the whole tree and not only a part of it.
    with where.log.open("wb") as errors, output_file.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=errors, env=environment(where.environment), start_new_session=True
        )
        sampler = _Sampler(spare) if sample_memory else None
        try:
            code = process.wait()
            seconds = time.monotonic() - started
        finally:
            peak = sampler.stop() if sampler else None
            end(spare)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    output_text = output_file.read_text(encoding="utf-8", errors="replace")
    if code not in accept:
        tail = where.log.read_text(encoding="utf-8", errors="replace")[-4000:]
        raise RuntimeError(f"{' '.join(command)} ended with {code}:\n{tail}\n{output_text[-2000:]}")
    return Measured(round(seconds, 2), round(cpu, 2), peak, code, output_text)


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """Return our own variables with some more, as on a user's machine: Python keeps its compiled bytecode."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | dict(more)


def end(spare: frozenset[int], grace_seconds: float = GRACE_SECONDS) -> None:
    """End all our descendants but some, politely at first, and collect them."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in tree() - spare:
            _signal(process, number)
        deadline = time.monotonic() + grace_seconds
        while (left := tree() - spare) and time.monotonic() < deadline:
            for process in left:
                _reap(process)
            time.sleep(0.02)


def tree(root: int | None = None) -> frozenset[int]:
    """Return the descendants of a process, ours by default, dead ones that nobody has collected included."""
    found: set[int] = set()
    waiting = [root or os.getpid()]
    while waiting:
        children = _children(waiting.pop())
        found.update(children)
        waiting += children
    return frozenset(found)


def _children(process: int) -> list[int]:
    numbers: list[int] = []
    for path in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            numbers += map(int, path.read_text(encoding="ascii").split())
        except OSError:
            continue  # gone in the meantime
    return numbers


def _adopt_orphans() -> None:
    """Make a process whose parent died ours, so that it stays in the sum, and ends with us."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _signal(process: int, number: int) -> None:
    try:
        os.kill(process, number)
    except ProcessLookupError:
        return


def _reap(process: int) -> None:
    try:
        os.waitpid(process, os.WNOHANG)
    except ChildProcessError:
        return  # its own parent collects it


class _Sampler:
    """Adds up the memory of a process and its descendants until `stop`; it costs time, so timings run without it."""

    def __init__(self, spare: frozenset[int], every_seconds: float = 0.25) -> None:
        self._spare = spare
        self._every = every_seconds
        self._peak_kib = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> float:
        self._done.set()
        self._thread.join()
        return round(self._peak_kib / 1024, 1)

    def _watch(self) -> None:
        # All that descends from us, and not from the program alone: what it orphans is still its own.
        while not self._done.wait(self._every):
            self._peak_kib = max(self._peak_kib, sum(map(_pss_kib, tree() - self._spare)))


def own_pss_mebibytes(process: int) -> float:
    """Return the proportional set size of one process, without its descendants; 0 when it is gone."""
    return _pss_kib(process) / 1024


def pss_mebibytes(root: int, parts: Collection[str] = ("Pss",)) -> float:
    """Return the proportional set size of a process and its descendants, or the parts of it that the kernel names."""
    return sum(_pss_kib(process, parts) for process in tree(root) | {root}) / 1024


def _pss_kib(process: int, parts: Collection[str] = ("Pss",)) -> int:
    """Return the proportional set size, 0 for a process that is gone."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.partition(":")[0] in parts)
