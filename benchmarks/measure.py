"""Runs a whole process and says how long it took and how much memory its tree held."""

import ctypes
import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Measured:
    """One run of one program."""

    seconds: float
    """Wall time from the start of the process to its end, imports included."""
    peak_pss_mib: float | None
    """Largest sum of proportional set sizes over the process and its descendants; None when it was not sampled."""
    cpu_seconds: float
    output: str


def run(command: Sequence[str], *, environment: Mapping[str, str], log: Path, sample_memory: bool = False) -> Measured:
    """Run a command to its end; RuntimeError with the end of its log when it fails."""
    log.parent.mkdir(parents=True, exist_ok=True)
    before = os.times()
    started = time.monotonic()
    with log.open("wb") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env={**os.environ, **environment})
        sampler = _Sampler() if sample_memory else None
        output, _ = process.communicate()
    seconds = time.monotonic() - started
    after = os.times()
    peak = sampler.stop() if sampler else None
    if process.returncode:
        tail = log.read_text(encoding="utf-8", errors="replace")[-4000:]
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{tail}\n{output.decode(errors='replace')[-2000:]}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Measured(round(seconds, 2), peak, round(cpu, 2), output.decode())


class _Sampler:
    """Adds up the memory of all descendants of this process until it is told to stop; sampling costs time, so timings are taken without."""

    def __init__(self, every_seconds: float = 0.1) -> None:
        self._every = every_seconds
        self._peak_kib = 0
        # A process whose parent died becomes ours, and so stays in the sum.
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> float:
        self._done.set()
        self._thread.join()
        return round(self._peak_kib / 1024, 1)

    def _watch(self) -> None:
        while not self._done.wait(self._every):
            self._peak_kib = max(self._peak_kib, sum(map(_pss_kib, _tree(os.getpid()))))


def _tree(root: int) -> list[int]:
    """Return the living descendants of a process."""
    found, waiting = [], [root]
    while waiting:
        process = waiting.pop()
        if process != root:
            found.append(process)
        for task in Path(f"/proc/{process}/task").glob("*/children"):
            try:
                waiting += map(int, task.read_text(encoding="ascii").split())
            except OSError:
                continue
    return found


def _pss_kib(process: int) -> int:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
