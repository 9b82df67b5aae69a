"""What the kernel is asked for, or told, about processes. Loaded by `worker.py`; imports nothing of localrun."""

import contextlib
import ctypes
import os

PDEATHSIG, SUBREAPER = 1, 36


def prctl(option: int, value: int) -> None:
    """Set an attribute of this process."""
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def die_with(parent: int, number: int) -> None:
    """Have the kernel signal this process when its parent dies."""
    prctl(PDEATHSIG, number)
    if os.getppid() != parent:  # it died before we asked
        os._exit(0)


def signal_descendants(number: int) -> None:
    """Send a signal to all processes that descend from this one."""
    children: dict[int, list[int]] = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with (
                contextlib.suppress(OSError, ValueError, IndexError),
                open(f"/proc/{entry.name}/stat", encoding="utf-8", errors="replace") as stream,  # noqa: PTH123
            ):
                parent = int(stream.read().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found = children.get(os.getpid(), [])
    for pid in found:  # grows while it is walked
        found += children.get(pid, [])
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def oom_kills() -> int:
    """How many processes the kernel has killed on this machine because memory ran out; 0 where it is not set."""
    with contextlib.suppress(OSError), open("/proc/vmstat", encoding="ascii") as stream:  # noqa: PTH123
        for line in stream:
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0
