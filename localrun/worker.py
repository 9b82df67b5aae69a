"""The warm process of one environment: imports once, then forks a process per task.

Runs as a script under the environment's own interpreter and imports nothing of localrun. Three processes deep:

    host    imported everything; forks a keeper per task; dies with the runner
    keeper  adopts whatever the task leaves behind, so that no descendant can get away; dies with the host
    task    its own session; output to its log file; dies with the keeper
"""

import contextlib
import sys

sys.path.pop(0)  # the folder of this file must not shadow anybody's modules

import atexit
import ctypes
import faulthandler
import gc
import importlib
import importlib.machinery
import json
import os
import signal
import socket
import threading
import time
import traceback
from typing import Any, NoReturn

_PDEATHSIG, _SUBREAPER = 1, 36
_EXECUTOR = "kfp.dsl.executor_main"
_KILL = signal.SIGUSR1  # what a keeper is told when there is no time to ask
_KEPT = {signal.SIGCHLD, signal.SIGTERM, _KILL}


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _die_with(parent: int, number: int) -> None:
    _prctl(_PDEATHSIG, number)
    if os.getppid() != parent:  # it died before we asked
        os._exit(0)


class Host:
    """Answers the runner's messages; everything heavy has been imported when it starts."""

    def __init__(self, channel: socket.socket) -> None:
        self.channel = channel
        self.keepers: dict[int, str] = {}

    def send(self, **message: Any) -> None:
        """Tell the runner; if it is gone, nobody wants to know."""
        with contextlib.suppress(OSError):
            self.channel.send(json.dumps(message).encode())

    def serve(self) -> None:
        """Fork and cancel as told, until the runner closes the channel; then end every task."""
        signal.signal(signal.SIGCHLD, self.reap)
        while data := self.channel.recv(65536):
            message = json.loads(data)
            if "launch" in message:
                self.fork(message["id"], message["launch"])
            else:
                self.stop(message["cancel"], _KILL if message["kill"] else signal.SIGTERM)
        for identity in list(self.keepers.values()):
            self.stop(identity, _KILL)
        while self.keepers:
            time.sleep(0.01)

    def stop(self, identity: str, number: int) -> None:
        """Signal the keeper of a task."""
        for pid, name in list(self.keepers.items()):
            if name == identity:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)

    def fork(self, identity: str, launch: str) -> None:
        """Fork the keeper of a new task."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _KEPT)
        try:
            pid = os.fork()
        except OSError as error:
            self.send(event="ended", id=identity, error=f"no new process: {error.strerror}")
            pid = -1
        if pid == 0:
            Keeper(self, identity, launch).run()
        if pid > 0:
            self.keepers[pid] = identity
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _KEPT)

    def reap(self, *_: object) -> None:
        """Forget ended keepers; one that did not end by itself never reported, so report for it."""
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                identity = self.keepers.pop(pid, None)
                if identity is not None and status != 0:
                    self.send(event="ended", id=identity, error=f"the process that watched over the task ended with status {status}")


class Keeper:
    """Stands between host and task: starts the task, waits, reports, and leaves no descendant behind."""

    def __init__(self, host: Host, identity: str, launch: str) -> None:
        self.host = host
        self.identity = identity
        self.parent = os.getppid()
        with open(launch, encoding="utf-8") as stream:  # noqa: PTH123 - pathlib is not needed here
            self.launch: dict[str, Any] = json.load(stream)

    def run(self) -> NoReturn:
        """Never returns: this process ends with its task."""
        try:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _die_with(self.parent, signal.SIGTERM)
            _prctl(_SUBREAPER, 1)
            started = time.monotonic()
            child = os.fork()
            if child == 0:
                Task(self.launch, self.host.channel, os.getppid()).run()
            self.host.send(event="started", id=self.identity, pid=child)
            status, peak = self.wait(child)
            self.host.send(event="ended", id=self.identity, status=status, max_rss=peak, seconds=time.monotonic() - started)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)

    def wait(self, child: int) -> tuple[int, int]:
        """Return the task's wait status and peak memory in bytes when it and all its descendants are gone."""
        result: tuple[int, int] | None = None
        kill_at: float | None = None
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                assert result is not None
                return result
            if pid == child:
                result = (status, usage.ru_maxrss * 1024)
                kill_at = 0.0
                continue
            if pid:
                continue
            if kill_at is not None and time.monotonic() >= kill_at:
                _signal_descendants(signal.SIGKILL)
            told = signal.sigtimedwait(_KEPT, 3600.0 if kill_at is None else 0.05)
            if told is not None and told.si_signo != signal.SIGCHLD:
                kill_at = self.stop(told.si_signo)

    def stop(self, number: int) -> float:
        """Ask the descendants to end, or kill them when told to or when the host died; return when to kill them."""
        if number == _KILL or os.getppid() != self.parent:
            return 0.0
        _signal_descendants(signal.SIGTERM)
        return time.monotonic() + float(self.launch["grace"])


class Task:
    """The process that runs the component's code."""

    def __init__(self, launch: dict[str, Any], channel: socket.socket, parent: int) -> None:
        self.launch = launch
        self.channel = channel
        self.parent = parent

    def run(self) -> NoReturn:
        """Never returns: replaces this process, or ends it as Python would."""
        code = 1
        try:
            self.prepare()
            if self.launch["mode"] == "command":
                self.replace(self.launch["argv"])
            self.execute()
            code = 0
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
            if isinstance(stop.code, str):
                print(stop.code, file=sys.stderr)
        except BaseException:
            traceback.print_exc()
        _finish(code)

    def prepare(self) -> None:
        """Become a process like any other: own session, log, variables, default signals."""
        os.setsid()
        _die_with(self.parent, signal.SIGKILL)
        self.channel.close()
        log = os.open(self.launch["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        for source, target in ((os.open(os.devnull, os.O_RDONLY), 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        for number in (signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.environ.update(self.launch["variables"])
        os.chdir(self.launch["cwd"])
        signal.pthread_sigmask(signal.SIG_SETMASK, set())

    @staticmethod
    def replace(argv: list[str]) -> None:
        """Become the task's program."""
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        try:
            os.execvp(argv[0], argv)  # noqa: S606 - a task is a command
        except OSError as error:
            sys.exit(f"{argv[0]}: cannot be started: {error.strerror}")

    def execute(self) -> None:
        """Run the component in this process, as `python -m kfp.dsl.executor_main` would in a new one."""
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        faulthandler.enable()
        faulthandler.register(signal.SIGTERM, chain=True)  # a cancelled or hung task says where it was
        atexit._clear()
        gc.enable()
        if "numpy.random" in sys.modules:
            sys.modules["numpy.random"].seed()
        sys.argv = [_EXECUTOR, *self.launch["argv"]]
        _read_sources_afresh(self.launch["cwd"])
        sys.modules[_EXECUTOR].executor_main()


def _read_sources_afresh(folder: str) -> None:
    """Compile the project's own code from its text: bytecode files go by whole seconds and size, and could be of older code."""
    loader = importlib.machinery.SourceFileLoader
    cached = loader.get_code
    own, installed = folder + os.sep, sys.prefix + os.sep

    def get_code(self: importlib.machinery.SourceFileLoader, fullname: str) -> Any:
        path = self.get_filename(fullname)
        if os.path.abspath(path).startswith(own) and not path.startswith(installed):  # noqa: PTH100
            return self.source_to_code(self.get_data(path), path)
        return cached(self, fullname)

    loader.get_code = get_code  # type: ignore[method-assign,assignment]


def _finish(code: int) -> NoReturn:
    """End as the interpreter does: join threads, run what this task registered, flush; never what the host registered."""
    try:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
    except BaseException:
        traceback.print_exc()
        code = code or 1
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _signal_descendants(number: int) -> None:
    children: dict[int, list[int]] = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{entry.name}/stat", encoding="utf-8", errors="replace") as stream:  # noqa: PTH123
                parent = int(stream.read().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found = children.get(os.getpid(), [])
    for pid in found:  # grows while it is walked
        found += children.get(pid, [])
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _own_files(folder: str) -> list[str]:
    """Files of the project that the host has imported: when one changes, the host is stale."""
    files = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    own, installed = folder + os.sep, sys.prefix + os.sep
    return sorted(f for f in files if isinstance(f, str) and f.startswith(own) and not f.startswith(installed))[:200]


def main() -> None:
    """Import what the environment preloads, say so, and serve."""
    settings = json.loads(sys.argv[1])
    channel = socket.socket(fileno=settings["channel"])
    _die_with(settings["parent"], signal.SIGKILL)
    _prctl(_SUBREAPER, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.chdir(settings["cwd"])
    sys.path.insert(0, settings["cwd"])
    host = Host(channel)
    started = time.monotonic()
    try:
        for name in settings["preload"]:
            importlib.import_module(name)
    except BaseException:
        host.send(event="broken", error=f"importing {name} failed:\n{traceback.format_exc()[-20000:]}")
        sys.exit(1)
    gc.collect()
    gc.freeze()  # keeps the collector from touching, and so copying, memory that tasks share
    host.send(event="ready", seconds=time.monotonic() - started, files=_own_files(settings["cwd"]))
    host.serve()


if __name__ == "__main__":
    main()
