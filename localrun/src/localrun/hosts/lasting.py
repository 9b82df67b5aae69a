"""Warm processes that outlive a run: where the next run finds them, how many there are, and how they are stopped."""

import contextlib
import fcntl
import hashlib
import json
import os
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localrun.environments.environment import Environment
from localrun.errors import WorkerError
from localrun.hosts.situation import situation

WORKER = Path(__file__).with_name("worker.py")
_CODE = (
    "worker.py",
    "guard.py",
    "importing.py",
    "keeper.py",
    "kernel.py",
    "memory.py",
    "orders.py",
    "spares.py",
    "stay.py",
    "task.py",
    "watched.py",
)
_BACKLOG = 64
_PATIENCE = 10.0
"""Seconds to wait for another run that starts a process, or for one that should take a connection at once."""


@dataclass(frozen=True)
class Lasting:
    """Where warm processes are kept for later runs, and how long."""

    folder: Path
    """For their sockets; made if need be, for this user alone."""
    idle: float = 900.0
    """Seconds without a run after which one leaves."""
    most: int = 4
    """With so many, a new one has that leave which has not been used for the longest time."""
    least_free: int = 2**30
    """Bytes of available memory below which one leaves that serves no run."""


@dataclass(frozen=True)
class LastingProcess:
    """A warm process that waits for the next run, or serves one."""

    name: str
    """Differs for everything that its imports may depend on."""
    pid: int
    python: str
    cwd: str
    preload: tuple[str, ...]
    importing: bool
    unused: float
    """Seconds since it was last taken or left by a run."""
    memory: int
    """Bytes, each page that it shares with others counted in part."""


@dataclass(frozen=True)
class Found:
    """A connection to such a process."""

    channel: socket.socket
    name: str
    is_ready: bool
    """Whether it has imported everything, and so answers at once."""


def processes(folder: Path) -> list[LastingProcess]:
    """List those that live, the one that was used last first."""
    found = [_read(path) for path in folder.glob("*.json")] if folder.is_dir() else []
    return sorted((one for one in found if one is not None), key=lambda one: one.unused)


def stop(folder: Path, seconds: float = 10.0) -> list[LastingProcess]:
    """Have all leave, and return those that still live after some seconds: they serve a run and leave with its end."""
    for one in processes(folder):
        _signal(folder, one, signal.SIGTERM)
    deadline = time.monotonic() + seconds
    while (left := processes(folder)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def connect(lasting: Lasting, environment: Environment, preload: tuple[str, ...]) -> Found:
    """Connect to the process for an environment, started if need be.

    Raises OSError or WorkerError where that is not possible, such as in a folder that cannot be written.
    """
    about = {"python": str(environment.python), "cwd": str(Path(environment.cwd).absolute()), "preload": preload}
    name = _name(environment, preload)
    with _alone(lasting.folder) as place:
        channel = _connected(_address(place, name))
        if channel is not None:
            known = _read(lasting.folder / f"{name}.json")
            return Found(channel, name, is_ready=known is not None and not known.importing)
        _make_room(lasting, about)
        return Found(_started(lasting, environment, name, about, place), name, is_ready=False)


def abandon(lasting: Lasting, name: str) -> None:
    """Have later runs start another process instead of one that does not answer."""
    with contextlib.suppress(OSError, WorkerError), _alone(lasting.folder):
        (lasting.folder / f"{name}.sock").unlink()


def kill(lasting: Lasting, name: str) -> None:
    """End a process at once, and with it all tasks."""
    one = _read(lasting.folder / f"{name}.json")
    if one is not None:
        _signal(lasting.folder, one, signal.SIGKILL)


def last_words(lasting: Lasting, name: str) -> str:
    """Return the end of what a process has printed."""
    with contextlib.suppress(OSError):
        return (lasting.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")[-4000:].strip()
    return ""


def _name(environment: Environment, preload: tuple[str, ...]) -> str:
    """Name what a process for an environment depends on, except for what it imports, which it watches itself."""
    code = [hashlib.sha256(WORKER.with_name(file).read_bytes()).hexdigest() for file in _CODE]
    facts = [environment.key(), preload, sorted(environment.process_variables().items()), code, situation()]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:24]


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[int]:
    """Be the only one who connects or starts; yields a handle of the folder, which must be this user's alone."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        about = os.fstat(place)
        if about.st_uid != os.geteuid():
            raise PermissionError(f"{folder}: belongs to another user")
        if stat.S_IMODE(about.st_mode) & 0o077:
            os.fchmod(place, 0o700)
        _lock(place, folder)
        yield place
    finally:
        os.close(place)


def _lock(place: int, folder: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise WorkerError(f"{folder}: another run has locked it for {_PATIENCE:.0f} s") from None
            time.sleep(0.01)
        else:
            return


def _address(place: int, name: str) -> str:
    """Name a socket by its folder's handle: a path of a socket has at most 107 bytes."""
    return f"/proc/self/fd/{place}/{name}.sock"


def _connected(address: str) -> socket.socket | None:
    """Connect; None where nobody listens."""
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    channel.settimeout(_PATIENCE)
    try:
        channel.connect(address)
    except (FileNotFoundError, ConnectionRefusedError):
        channel.close()
        return None
    except BaseException:
        channel.close()
        raise
    channel.settimeout(None)
    return channel


def _started(lasting: Lasting, environment: Environment, name: str, about: dict[str, Any], place: int) -> socket.socket:
    """Start a process that listens, and connect to it before it does anything."""
    address = _address(place, name)
    Path(address).unlink(missing_ok=True)  # of one that was killed
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener,
        (lasting.folder / f"{name}.log").open("wb") as log,
    ):
        listener.bind(address)
        Path(address).chmod(0o600)
        listener.listen(_BACKLOG)
        channel = _connected(address)
        assert channel is not None
        outlives = {
            "listener": listener.fileno(),
            "folder": str(lasting.folder),
            "name": name,
            "about": about,
            "idle": lasting.idle,
            "least_free": lasting.least_free,
            "renewed": False,
        }
        early = dict(environment.early)
        settings = {"outlives": outlives, "cwd": about["cwd"], "preload": about["preload"], "early": early}
        code = subprocess.call(  # noqa: S603 - the environment's own interpreter; ends when it has detached itself
            [str(environment.python), str(WORKER), json.dumps(settings)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment.process_variables(),
            pass_fds=(listener.fileno(),),
            start_new_session=True,
        )
    if code:
        channel.close()
        raise WorkerError(f"the warm process could not be started: exit code {code}\n{last_words(lasting, name)}")
    return channel


def _make_room(lasting: Lasting, about: dict[str, Any]) -> None:
    """Have those leave that a new process replaces, and the longest unused where there are too many."""
    living = processes(lasting.folder)
    wanted = (about["python"], about["cwd"], tuple(about["preload"]))
    replaced = [one for one in living if (one.python, one.cwd, one.preload) == wanted]
    others = [one for one in living if one not in replaced]
    for one in [*replaced, *others[lasting.most - 1 :]]:
        _signal(lasting.folder, one, signal.SIGTERM)


def _read(record: Path) -> LastingProcess | None:
    """Read what a process has written down about itself; None when it is gone."""
    try:
        found = json.loads(record.read_text(encoding="utf-8"))
        if _began(found["pid"]) != found["began"]:
            return None
        return LastingProcess(
            record.stem,
            found["pid"],
            found["python"],
            found["cwd"],
            tuple(found["preload"]),
            found["importing"],
            max(0.0, time.time() - record.stat().st_mtime),
            _memory(found["pid"]),
        )
    except (OSError, ValueError, KeyError):
        return None


def _signal(folder: Path, one: LastingProcess, number: int) -> None:
    if _read(folder / f"{one.name}.json") is not None:  # nobody else has its number by now
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(one.pid, number)


def _began(pid: int) -> str:
    """When a process began, in ticks: another one with its number began at another time; empty for a dead one."""
    facts = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    return "" if facts[0] in "ZX" else facts[19]


def _memory(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
