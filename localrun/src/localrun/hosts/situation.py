"""What a process inherits besides variables: rights, limits, namespaces. A process of another situation is another."""

import os
from pathlib import Path

_STATUS = (
    "Umask",
    "Uid",
    "Gid",
    "Groups",
    "CapInh",
    "CapPrm",
    "CapEff",
    "CapBnd",
    "CapAmb",
    "NoNewPrivs",
    "Seccomp",
    "Cpus_allowed_list",
    "Mems_allowed_list",
)
_NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")


def situation() -> list[str]:
    """Describe this process, as far as a process that it starts inherits it; what is not known is empty.

    Control groups are left out: a session of a terminal often has its own.
    """
    status = _text("/proc/self/status").splitlines()
    return [
        _text("/proc/sys/kernel/random/boot_id"),
        _text("/proc/self/limits"),
        _text("/proc/self/oom_score_adj"),
        str(os.getpriority(os.PRIO_PROCESS, 0)),
        str(Path("/").stat().st_ino),
        *(line for line in status if line.partition(":")[0] in _STATUS),
        *(_target(f"/proc/self/ns/{name}") for name in _NAMESPACES),
    ]


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _target(link: str) -> str:
    try:
        return str(Path(link).readlink())
    except OSError:
        return ""
