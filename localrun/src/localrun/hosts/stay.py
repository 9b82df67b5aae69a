"""A warm process that outlives the run that started it: its socket, its record, and when it leaves.

Loaded by `worker.py` under the environment's own interpreter; imports nothing of localrun.
"""

import atexit
import contextlib
import json
import os
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from typing import Any

LOOKS = 5.0
"""Seconds between two looks at memory, the clock and the socket's file."""


class Stay:
    """Takes the connections of runs on a socket, until nobody has come for a while, or another reason to leave."""

    def __init__(self, settings: dict[str, Any], available: Callable[[], int]) -> None:
        self.listener = socket.socket(fileno=settings["listener"])
        self.listener.setblocking(False)
        self.tick = min(LOOKS, settings["idle"] / 4)
        self._settings = settings
        self._available = available
        self._base = f"{settings['folder']}/{settings['name']}"
        self._file = _inode(f"{self._base}.sock")
        self._used = time.monotonic()
        self._record: dict[str, Any] = {}
        self.serves_once = False
        """Whether the imports wrote what they read: only the run that waited for them is served."""
        self.leaving = ""
        """Why it takes no more connections; empty while it does."""
        signal.signal(signal.SIGTERM, self._asked)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

    def note(self, **facts: Any) -> None:
        """Write down what this process is, for those who list warm processes."""
        self._record |= facts
        staged = f"{self._base}.{os.getpid()}"
        with contextlib.suppress(OSError):
            with open(staged, "w", encoding="utf-8") as stream:  # noqa: PTH123 - pathlib is not needed here
                json.dump({**self._settings["about"], "pid": os.getpid(), "began": _began(), **self._record}, stream)
            os.replace(staged, f"{self._base}.json")  # noqa: PTH105

    def accept(self) -> socket.socket | None:
        """Return the connection of a run; None when it is gone already, or another user's."""
        with contextlib.suppress(OSError):
            channel, _ = self.listener.accept()
            channel.setblocking(True)
            if _user(channel) == os.geteuid():
                self.used()
                return channel
            channel.close()
        return None

    def used(self) -> None:
        """Take note that a run is served."""
        self._used = time.monotonic()
        with contextlib.suppress(OSError):
            os.utime(f"{self._base}.json")

    def goes_on(self) -> bool:
        """Whether to wait for a run, while there is none."""
        if not self.leaving:
            self.leaving = self._reason()
        return not self.leaving and not self.serves_once

    @property
    def renews(self) -> bool:
        """Whether to import everything again for the next run.

        Once: imports that wrote what they read for the second time do so every time.
        """
        return self.serves_once and not self.leaving and not self._settings["renewed"]

    def leave(self, reason: str) -> None:
        """Take no more connections: who would connect now starts another process."""
        self.leaving = self.leaving or reason
        self._unname()
        self.listener.close()

    def renew(self, settings: dict[str, Any], environment: dict[str, str]) -> None:
        """Become a new process with the same number and socket; return where that fails, or it was asked to leave."""
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # until it can be answered again
        if self.leaving:
            return
        self.note(importing=True)
        atexit._run_exitfuncs()  # such as of a folder for the time of this process
        self.listener.set_inheritable(True)
        renewed = settings | {"outlives": self._settings | {"renewed": True}, "early": {}}
        with contextlib.suppress(OSError):
            os.execve(sys.executable, [*sys.orig_argv[:-1], json.dumps(renewed)], environment)  # noqa: S606 - itself

    def end(self) -> None:
        """Leave nothing behind."""
        self.leave("")
        with contextlib.suppress(OSError, ValueError, KeyError):
            with open(f"{self._base}.json", encoding="utf-8") as stream:  # noqa: PTH123
                is_own = json.load(stream)["pid"] == os.getpid()  # else a new process has taken the name
            if is_own:
                os.unlink(f"{self._base}.json")  # noqa: PTH108

    def _unname(self) -> None:
        """Give the name up, unless it is another process's by now."""
        if self._file and _inode(f"{self._base}.sock") == self._file:
            for ending in ("log", "sock"):  # the socket last: until then nobody takes the name
                with contextlib.suppress(OSError):
                    os.unlink(f"{self._base}.{ending}")  # noqa: PTH108
        self._file = 0

    def _reason(self) -> str:
        if not self._file or _inode(f"{self._base}.sock") != self._file:
            return "its socket is gone"
        if time.monotonic() - self._used > self._settings["idle"]:
            return "nobody needed it"
        if self._available() < self._settings["least_free"]:
            return "memory runs out"
        return ""

    def _asked(self, *_: object) -> None:
        self.leaving = self.leaving or "it was asked to"
        self._unname()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)  # wakes who waits for connections; a closed socket would not


def _began() -> str:
    """When this process began, in ticks: with its number it says which process this is."""
    with open("/proc/self/stat", encoding="utf-8", errors="replace") as stream:  # noqa: PTH123
        return stream.read().rpartition(")")[2].split()[19]


def _inode(path: str) -> int:
    try:
        return os.stat(path).st_ino  # noqa: PTH116
    except OSError:
        return 0


def _user(channel: socket.socket) -> int:
    """Return the user at the other end."""
    credentials = channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int(struct.unpack("3i", credentials)[1])
