"""The memory that a step may use: the limit of its container, else that of the machine."""

import os
from pathlib import Path

_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Where control groups (version 2, then 1) have the limit of this container, in bytes or as `max`."""


def usable_bytes(limits: tuple[Path, ...] = _LIMITS) -> int:
    """Return the limit of this container, or the memory of the machine where that is less or there is no limit."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in limits:
        try:
            text = path.read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdecimal():
            return min(int(text), machine)
    return machine
