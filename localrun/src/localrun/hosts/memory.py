"""How much memory is left, on the machine or in this process's control group."""

from contextlib import suppress
from pathlib import Path

_GROUP = Path("/sys/fs/cgroup")


def available() -> int:
    """Bytes that can be used before memory runs out, on the machine or in this process's control group."""
    with suppress(OSError, ValueError, StopIteration):
        line = next(
            line
            for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
            if line.startswith("MemAvailable:")
        )
        return min(int(line.split()[1]) * 1024, _group_available())
    return 2**62


def _group_available() -> int:
    with suppress(OSError, ValueError):  # control groups of version 2; "max" is no number
        limit, used = (int((_GROUP / name).read_text(encoding="ascii")) for name in ("memory.max", "memory.current"))
        cache = dict(line.split() for line in (_GROUP / "memory.stat").read_text(encoding="ascii").splitlines())
        return limit - used + int(cache.get("inactive_file", 0))
    return 2**62
