"""Runs an action in a forked child under strace, which fails one of its system calls."""

import ctypes
import errno
import mmap
import os
import re
import signal
import subprocess
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from core.errors import MlopsError

DONE, REFUSED, BROKE = 0, 7, 9
"""Exit codes: it finished; it said no with an error that names the fault; it ended with any other error."""
_SECONDS = 120.0
"""An action that takes longer hangs."""
_TEXT_AT = 64
_SIZE = 8192
_FAULTS = (
    os.strerror(errno.ENOSPC),
    os.strerror(errno.EIO),
    "disk I/O error",
    "database or disk is full",
)
_PR_SET_PTRACER, _ANY = 0x59616D61, ctypes.c_ulong(-1)


class Seen:
    """What a child has been promised and what it says, in memory that outlives it: noting costs no system call."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _SIZE)

    def note(self, bit: int = 0) -> None:
        """Note one of eight promises, such as an acknowledged delivery."""
        self._memory[0] |= 1 << bit

    def has(self, bit: int = 0) -> bool:
        """Whether a promise was made."""
        return bool(self._memory[0] >> bit & 1)

    @property
    def text(self) -> str:
        """The error that the child ended with."""
        return self._memory[_TEXT_AT:].split(b"\0")[0].decode(errors="replace")

    @text.setter
    def text(self, text: str) -> None:
        content = text.encode()[: _SIZE - _TEXT_AT - 1]
        self._memory[_TEXT_AT : _TEXT_AT + len(content)] = content


class Ended(NamedTuple):
    """How a child ended."""

    code: int
    """DONE, REFUSED or BROKE, or the negative number of a signal."""
    text: str


def traced(action: Callable[[], object], seen: Seen, trace: Path, *options: str) -> Ended:
    """Run an action in a child under strace; RuntimeError when strace cannot attach or the child hangs."""
    gate, opener = os.pipe()
    child = os.fork()
    if child == 0:
        _act(action, seen, gate)
    os.close(gate)
    command = ["strace", "-f", "-qq", "-o", str(trace), *options, "-p", str(child)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        try:
            _wait_until_attached(child, tracer)
            os.write(opener, b"x")
            code = _end_of(child)
        except BaseException:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise
        finally:
            os.close(opener)
        tracer.wait(_SECONDS)
    return Ended(code, seen.text)


def _act(action: Callable[[], object], seen: Seen, gate: int) -> None:
    """Wait for strace, act, and end the process."""
    ended = BROKE
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PTRACER, _ANY, 0, 0, 0)  # fails without Yama, where nothing forbids it
        os.read(gate, 1)
        action()
        ended = DONE
    except (MlopsError, OSError) as error:
        seen.text = str(error)
        if re.search("|".join(_FAULTS), str(error)):
            ended = REFUSED
    except BaseException:
        seen.text = traceback.format_exc()
    finally:
        os._exit(ended)


def _wait_until_attached(child: int, tracer: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + _SECONDS
    while not re.search(r"TracerPid:\t[1-9]", Path(f"/proc/{child}/status").read_text()):
        if tracer.poll() is not None or time.monotonic() > deadline:
            assert tracer.stderr is not None
            raise RuntimeError(f"strace did not attach: {tracer.stderr.read().strip()}")
        time.sleep(0.001)


def _end_of(child: int) -> int:
    deadline = time.monotonic() + _SECONDS
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            raise RuntimeError(f"not over after {_SECONDS:.0f} s")
        time.sleep(0.001)
