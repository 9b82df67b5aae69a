"""The warm process of one environment: imports once, then forks a process per task.

Runs as a script under the environment's own interpreter and imports nothing of localrun. Three processes deep:

    host    imported everything; forks a keeper per task; dies with the run that started it, or stays for other runs
    keeper  adopts whatever the task leaves behind, so that no descendant can get away; dies with the host
    task    its own session; output to its log file; dies with the keeper
"""

import contextlib
import sys

sys.path.pop(0)  # the folder of this file must not shadow anybody's modules

import gc
import importlib
import importlib.util
import json
import os
import select
import signal
import socket
import time
import traceback
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from localrun.hosts import keeper, memory, stay, watched
else:

    def _beside(name: str) -> Any:
        """Load a file beside this one, under a name that no module of a task has."""
        spec = importlib.util.spec_from_file_location(f"localrun_{name}", f"{__file__[: -len('worker.py')]}{name}.py")
        sys.modules[spec.name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    _beside("guard")
    keeper, memory, stay, watched = map(_beside, ("keeper", "memory", "stay", "watched"))


class Outliving(NamedTuple):
    """What a process has that outlives the run that started it."""

    stay: "stay.Stay"
    watched: "watched.Watched"


class Host:
    """Answers the messages of runs; everything heavy has been imported when it starts."""

    def __init__(self, ready: dict[str, Any], outliving: Outliving | None) -> None:
        self.ready = ready
        """What a run is greeted with."""
        self.connections: list[socket.socket] = []
        self.keepers: dict[int, tuple[socket.socket, str]] = {}
        """By process: the run that a task belongs to, and the task."""
        self.spare: tuple[int, keeper.Orders] | None = None
        """A keeper that waits for a task."""
        self.stay = outliving.stay if outliving else None
        self.watched = outliving.watched if outliving else None

    def serve(self) -> None:
        """Fork and cancel on request, until there is no connection and no reason to stay; then end every task."""
        signal.signal(signal.SIGCHLD, self.reap)
        self.prepare()
        is_needed = True
        while is_needed:
            self.turn()
            is_needed = bool(self.connections) or (self.stay is not None and self.stay.goes_on())
        if self.stay:
            self.stay.end()
        if self.spare:
            self.spare[1].close()
        while self.keepers:
            time.sleep(0.01)

    def turn(self) -> None:
        """Answer whoever has said something."""
        if self.stay and self.stay.leaving:
            self.stay.leave("")
        listeners = [self.stay.listener] if self.stay and not self.stay.leaving else []
        patience = self.stay.tick if self.stay else None
        for source in select.select([*listeners, *self.connections], [], [], patience)[0]:
            if source in self.connections:
                self.hear(source)
            else:
                self.greet()

    def greet(self) -> None:
        """Take a run's connection, unless something has changed since the imports: then leave, and say so."""
        assert self.stay is not None
        assert self.watched is not None
        channel = self.stay.accept()
        if channel is None:
            return
        if self.ready["seconds"] == 0.0 and (change := self.watched.change()):
            self.stay.leave(f"{change} has changed")
            send(channel, event="stale", change=change)
            channel.close()
            return
        self.welcome(channel)
        self.ready["seconds"] = 0.0  # the run that waited for the imports comes first

    def welcome(self, channel: socket.socket) -> None:
        """Serve a run."""
        self.connections.append(channel)
        send(channel, event="ready", **self.ready)

    def hear(self, channel: socket.socket) -> None:
        """Do what a run asks for; one that is gone has its tasks ended."""
        try:
            data = channel.recv(65536)
        except OSError:
            data = b""
        if not data:
            self.connections.remove(channel)
            for _, identity in [task for task in self.keepers.values() if task[0] is channel]:
                self.stop(channel, identity, keeper.KILL)
            channel.close()
            if self.stay:
                self.stay.used()
            return
        message = json.loads(data)
        if "launch" in message:
            self.start(channel, message["id"], message["launch"])
            self.prepare()
        elif "cancel" in message:
            self.stop(channel, message["cancel"], keeper.KILL if message["kill"] else signal.SIGTERM)
        elif "check" in message:
            send(channel, event="checked", change=self.watched.change() if self.watched else "")
        else:
            send(channel, event="alive")

    def stop(self, channel: socket.socket, identity: str, number: int) -> None:
        """Signal the keeper of a task."""
        for pid, task in list(self.keepers.items()):
            if task == (channel, identity):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)

    def start(self, channel: socket.socket, identity: str, launch: str) -> None:
        """Give a task to the keeper that waits for one."""
        signal.pthread_sigmask(signal.SIG_BLOCK, keeper.KEPT)
        problem = "" if self.spare else self.prepare()
        if self.spare:
            (pid, orders), self.spare = self.spare, None
            self.keepers[pid] = (channel, identity)
            orders.write(json.dumps([identity, launch]), channel)
        else:
            send(channel, event="ended", id=identity, error=f"no new process: {problem}")
        signal.pthread_sigmask(signal.SIG_UNBLOCK, keeper.KEPT)

    def prepare(self) -> str:
        """Fork the keeper of the next task ahead of time; return why that was not possible."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, keeper.KEPT)
        problem = ""
        try:
            orders = keeper.Orders()
            pid = os.fork()
            if pid == 0:
                own = [self.stay.listener] if self.stay else []
                keeper.Keeper(orders, [*own, *self.connections]).run()
            self.spare = (pid, orders)
        except OSError as error:
            problem = error.strerror or str(error)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return problem

    def reap(self, *_: object) -> None:
        """Forget ended keepers; one that did not end by itself never reported, so report for it."""
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if self.spare and self.spare[0] == pid:
                    self.spare[1].close()
                    self.spare = None
                channel, identity = self.keepers.pop(pid, (None, ""))
                if channel is not None and status != 0:
                    error = f"the process that watched over the task ended with status {status}"
                    send(channel, event="ended", id=identity, error=error)


def send(channel: socket.socket, **message: Any) -> None:
    """Send a run a message; one that is gone does not matter."""
    with contextlib.suppress(OSError):
        channel.send(json.dumps(message).encode())


def _own_files(folder: str) -> list[str]:
    """Files of the project that the host has imported: when one changes, the host is stale."""
    files = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    own, installed = folder + os.sep, sys.prefix + os.sep
    return sorted(f for f in files if isinstance(f, str) and f.startswith(own) and not f.startswith(installed))[:200]


def _detach() -> None:
    """Become nobody's child, so that nobody has to wait for this process."""
    if os.fork():
        os._exit(0)


def _import(settings: dict[str, Any]) -> str:
    """Import what the environment preloads; return what went wrong."""
    for name in settings["preload"]:
        try:
            if name != keeper.EXECUTOR and settings["cwd"] not in sys.path:
                sys.path.insert(0, settings["cwd"])
            importlib.import_module(name)
        except BaseException:
            return f"importing {name} failed:\n{traceback.format_exc()[-20000:]}"
    return ""


def _outliving(settings: dict[str, Any]) -> Outliving:
    """Stay when the run ends that started this process."""
    _detach()
    outliving = Outliving(stay.Stay(settings["outlives"], memory.available), watched.Watched(settings["cwd"]))
    outliving.stay.note(importing=True)
    return outliving


def _owned(settings: dict[str, Any]) -> socket.socket:
    """Die with the run that started this process; return the connection to it."""
    keeper.die_with(settings["parent"], signal.SIGKILL)
    return socket.socket(fileno=settings["channel"])


def main() -> None:
    """Import what the environment preloads, say so, and serve."""
    settings = json.loads(sys.argv[1])
    os.chdir(settings["cwd"])
    channel = None if settings["outlives"] else _owned(settings)
    outliving = _outliving(settings) if channel is None else None
    keeper.prctl(keeper.SUBREAPER, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    watched.read_sources_afresh(settings["cwd"])
    started = time.monotonic()
    if error := _import(settings):
        run = outliving.stay.accept() if outliving else channel  # those that came later start another process
        if run is not None:
            send(run, event="broken", error=error)
        if outliving:
            outliving.stay.end()
        sys.exit(1)
    gc.collect()
    gc.freeze()  # keeps the collector from touching, and so copying, memory that tasks share
    if outliving:
        outliving.watched.freeze()
        outliving.stay.note(importing=False)
    seconds = time.monotonic() - started
    host = Host({"pid": os.getpid(), "seconds": seconds, "files": _own_files(settings["cwd"])}, outliving)
    if channel is not None:
        host.welcome(channel)
    host.serve()


if __name__ == "__main__":
    main()
