"""Takes the network away from a process before it loads a model: what it listens on stays, it cannot reach out.

A filter of system calls (seccomp) that needs no privilege, holds for all threads and children, and is never lifted.
"""

import ctypes
import errno
import logging
import platform
import socket
import struct
import sys
from collections.abc import Iterator
from typing import NamedTuple

_LOG = logging.getLogger("serving")
_NO_NEW_PRIVILEGES = 38
_SET_FILTER, _ALL_THREADS = 1, 1
_LOAD, _EQUAL, _AT_LEAST, _HAS_BITS, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EACCES
_NUMBER, _ARCHITECTURE = 0, 4
"""Places in what the kernel gives the filter; arguments follow at 16, eight bytes each, the lower half first."""
_OTHER_ABI = 0x40000000
"""On x86-64, a call with this bit is one of the x32 interface, with other numbers."""
_FAST_OPEN = 0x20000000
"""A flag of `send`: connect and send at once."""
_KIND = 0xF
"""The part of a socket's type that is no flag."""


class _Machine(NamedTuple):
    """Numbers of the kernel's interface on one architecture."""

    architecture: int
    seccomp: int
    socket: int
    connect: int
    sendto: int
    sendmsg: int
    sendmmsg: int
    io_uring_setup: int = 425


_MACHINES = {
    "x86_64": _Machine(0xC000003E, 317, 41, 42, 44, 46, 307),
    "aarch64": _Machine(0xC00000B7, 277, 198, 203, 206, 211, 269),
}


def deny_network(*, listens: bool = False) -> bool:
    """Let this process open no connection and no socket of the network; it may still accept on those that it has.

    With `listens` it may open TCP sockets to listen on. Returns False, after a warning, where the system cannot do it.
    """
    machine = _MACHINES.get(platform.machine())
    if sys.platform != "linux" or machine is None:
        _LOG.warning("models are loaded with access to the network: %s cannot deny it", platform.platform())
        return False
    program = b"".join(_filter(machine, listens=listens))
    held = ctypes.create_string_buffer(program, len(program))
    libc = ctypes.CDLL(None, use_errno=True)
    packed = ctypes.create_string_buffer(struct.pack("@HP", len(program) // 8, ctypes.addressof(held)))
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) or libc.syscall(machine.seccomp, _SET_FILTER, _ALL_THREADS, packed):
        _LOG.warning("models are loaded with access to the network: seccomp: %s", errno.errorcode[ctypes.get_errno()])
        return False
    return True


def _filter(machine: _Machine, *, listens: bool) -> Iterator[bytes]:
    """Yield the filter's instructions; a jump says how many it skips when its test holds, and when not."""
    yield _instruction(_LOAD, _ARCHITECTURE)
    yield _instruction(_EQUAL, machine.architecture, 1, 0)
    yield _instruction(_RETURN, _REFUSE)
    yield _instruction(_LOAD, _NUMBER)
    yield from _refuse_if(_AT_LEAST, _OTHER_ABI)
    yield from _refuse_if(_EQUAL, machine.connect)
    yield from _refuse_if(_EQUAL, machine.io_uring_setup)  # opens and connects sockets without these calls
    for number, flags in ((machine.sendto, 3), (machine.sendmsg, 2), (machine.sendmmsg, 3)):
        sends = [
            _instruction(_LOAD, _argument(flags)),
            *_refuse_if(_HAS_BITS, _FAST_OPEN),
            _instruction(_RETURN, _ALLOW),
        ]
        yield _instruction(_EQUAL, number, 0, len(sends))
        yield from sends
    opens = list(_socket(listens=listens))
    yield _instruction(_EQUAL, machine.socket, 0, len(opens))
    yield from opens
    yield _instruction(_RETURN, _ALLOW)


def _socket(*, listens: bool) -> Iterator[bytes]:
    yield _instruction(_LOAD, _argument(0))
    yield from _return_if(_EQUAL, socket.AF_UNIX, _ALLOW)
    if listens:
        is_tcp = [
            _instruction(_LOAD, _argument(1)),
            _instruction(_AND, _KIND),
            *_return_if(_EQUAL, socket.SOCK_STREAM, _ALLOW),
            _instruction(_RETURN, _REFUSE),
        ]
        for family in (socket.AF_INET, socket.AF_INET6):
            yield _instruction(_EQUAL, family, 0, len(is_tcp))
            yield from is_tcp
    yield _instruction(_RETURN, _REFUSE)


def _refuse_if(test: int, value: int) -> Iterator[bytes]:
    return _return_if(test, value, _REFUSE)


def _return_if(test: int, value: int, answer: int) -> Iterator[bytes]:
    yield _instruction(test, value, 0, 1)
    yield _instruction(_RETURN, answer)


def _instruction(code: int, value: int, holds: int = 0, fails: int = 0) -> bytes:
    return struct.pack("<HBBI", code, holds, fails, value)


def _argument(at: int) -> int:
    return 16 + 8 * at
