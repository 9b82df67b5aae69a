"""The places where a program may be made to fail: the n-th of its system calls of one kind that change state."""

import collections
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

CALLS = (
    "write",
    "pwrite64",
    "sendfile",
    "copy_file_range",
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


@dataclass(frozen=True)
class Point:
    """One place to fail at."""

    fault: str
    call: str
    number: int

    def __str__(self) -> str:
        return f"{self.fault} at {self.call} {self.number}"

    @property
    def options(self) -> tuple[str, ...]:
        """Return what makes strace fail the call."""
        return f"--trace={self.call}", "-e", f"inject={self.call}:{FAULTS[self.fault]}:when={self.number}"


def missing() -> str:
    """Say why nothing can be traced here, or nothing."""
    if shutil.which("strace") is None:
        return "strace is not installed (apt-get install strace)"
    done = subprocess.run(["strace", "-f", "-o", os.devnull, "true"], capture_output=True, text=True, check=False)
    return f"strace may not trace here: {done.stderr.strip()}" if done.returncode else ""


def counted(trace: Path) -> list[Point]:
    """Return every place where the program of a trace of `CALLS` could have failed.

    strace counts calls per thread: point (call, n) is the n-th such call of whichever thread comes to n first.
    """
    counts: collections.Counter[tuple[str, str]] = collections.Counter()
    for line in trace.read_text(errors="replace").splitlines():
        match = re.match(r"(\d+) +(\w+)\(", line)
        if match and match[2] in CALLS:
            counts[match[1], match[2]] += 1
    most = {call: max((count for (_, name), count in counts.items() if name == call), default=0) for call in CALLS}
    return [
        Point(fault, call, number) for fault in FAULTS for call, count in most.items() for number in range(1, count + 1)
    ]


def was_met(point: Point, trace: Path) -> bool:
    """Whether the fault of a trace happened; a process that was killed elsewhere, as idle ones are, does not count."""
    lines = [line.split(maxsplit=1) for line in trace.read_text(errors="replace").splitlines()]
    if point.fault != "KILL":
        return any("INJECTED" in what for _, what in lines)
    calls: collections.Counter[str] = collections.Counter()
    at_the_call: dict[str, str] = {}
    """What a process said last of the numbered call: that it returned, or not."""
    for process, what in lines:
        if re.match(rf"{point.call}\(|<\.\.\. {point.call} resumed>", what):
            calls[process] += "resumed>" not in what
            if calls[process] == point.number:
                at_the_call[process] = what
    never_returned = [process for process, what in at_the_call.items() if what.endswith(("= ?", "<unfinished ...>"))]
    return any([process, "+++ killed by SIGKILL +++"] in lines for process in never_returned)
