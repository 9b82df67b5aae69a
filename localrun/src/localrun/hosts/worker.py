"""The warm process of one environment: imports once, then forks a process per task.

Runs as a script under the environment's own interpreter and imports nothing of localrun. Three processes deep:

    host    imports everything; forks a keeper per task, for some amid the imports, with what they need of them;
            dies with the run that started it, or stays for other runs
    keeper  adopts whatever the task leaves behind, so that no descendant can get away; dies with the host
    task    its own session; output to its log file; dies with the keeper
"""

import contextlib
import sys

sys.path.pop(0)  # the folder of this file must not shadow anybody's modules

import gc
import importlib.util
import json
import os
import select
import signal
import socket
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from localrun.hosts import importing, keeper, kernel, memory, orders, spares, stay, task, watched
else:

    def _beside(name: str) -> Any:
        """Load a file beside this one, under a name that no module of a task has."""
        spec = importlib.util.spec_from_file_location(f"localrun_{name}", f"{__file__[: -len('worker.py')]}{name}.py")
        sys.modules[spec.name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    # Each after those that it uses.
    _guard, kernel, importing, orders, task = map(_beside, ("guard", "kernel", "importing", "orders", "task"))
    keeper, memory, spares, stay, watched = map(_beside, ("keeper", "memory", "spares", "stay", "watched"))


class Outliving(NamedTuple):
    """What a process has that outlives the run that started it."""

    stay: "stay.Stay"
    watched: "watched.Watched"


class Host:
    """Answers the messages of runs: a few while it imports, all of them afterwards."""

    def __init__(self, first: socket.socket | None, outliving: Outliving | None) -> None:
        self.ready: dict[str, Any] = {}
        """What a run is greeted with; empty during the imports."""
        self.connections: list[socket.socket] = [] if first is None else [first]
        self.keepers: dict[int, tuple[socket.socket, str]] = {}
        """By process: the run that a task belongs to, and the task."""
        self.spares = spares.Spares(lambda: [*([self.stay.listener] if self.stay else []), *self.connections])
        self.waiting: dict[tuple[socket.socket, str], str] = {}
        """Run and task -> launch file, of tasks that wait for the end of the imports."""
        self.stay = outliving.stay if outliving else None
        self.watched = outliving.watched if outliving else None

    def load(self, settings: dict[str, Any]) -> str:
        """Import what the environment preloads, and take tasks meanwhile; return what went wrong."""
        signal.signal(signal.SIGCHLD, self.reap)
        for name in settings["preload"]:
            if name != task.EXECUTOR and settings["cwd"] not in sys.path:
                sys.path.insert(0, settings["cwd"])
            if error := importing.load(name, self.turn):
                return error
            self.take_early([function for function, after in settings["early"].items() if after == name])
        return ""

    def take_early(self, functions: list[str]) -> None:
        """Fork a keeper for a task of each function now: a fork amid an import would have half of a module."""
        with contextlib.suppress(OSError):  # they wait for the end of the imports, as others do
            for function in functions:
                self.spares.fork(function)
        for run in self.connections if functions else ():
            send(run, event="early", functions=functions)

    def serve(self, ready: dict[str, Any]) -> None:
        """Fork and cancel on request, until there is no connection and no reason to stay; then end every task."""
        self.ready = ready
        for run in self.connections:
            send(run, event="ready", **ready)
        if self.stay:
            waiting = None if self.connections else self.stay.accept()
            if waiting is not None:
                self.welcome(waiting)
            ready["seconds"] = 0.0  # only the run that waited for the imports is told how long they took
        self.spares.dismiss()
        self.prepare()
        for (run, identity), launch in self.waiting.items():
            self.start(run, identity, launch)
            self.prepare()
        self.waiting.clear()
        while self.connections or (self.stay is not None and self.stay.goes_on()):
            self.turn()
        if self.stay and not self.stay.renews:
            self.stay.end()
        self.spares.dismiss()
        while self.keepers:
            time.sleep(0.01)

    def turn(self) -> None:
        """Answer whoever has said something."""
        if self.stay and self.stay.leaving:
            self.stay.leave("")
        listeners = [self.stay.listener] if self.stay and self.ready and not self.stay.leaving else []
        patience = (self.stay.tick if self.stay else None) if self.ready else 0.0
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
        if change := self.watched.change():
            self.stay.leave(f"{change} has changed")
            send(channel, event="stale", change=change)
            channel.close()
            return
        self.welcome(channel)

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
            self.part(channel)
            return
        message = json.loads(data)
        if "launch" in message:
            self.start(channel, message["id"], message["launch"], message["function"])
            if self.ready:
                self.prepare()
        elif "module" in message:
            if self.ready:
                coming = orders.Coming(message["module"], message.get("told") or {})
                self.prepare(message["function"], coming, channel)
        elif "cancel" in message:
            self.stop(channel, message["cancel"], keeper.KILL if message["kill"] else signal.SIGTERM)
        elif "check" in message:
            send(channel, event="checked", change=self.watched.change() if self.watched else "")
        else:
            send(channel, event="alive")

    def part(self, channel: socket.socket) -> None:
        """End the tasks of a run that is gone."""
        self.connections.remove(channel)
        for run, identity in [*self.keepers.values(), *self.waiting]:
            if run is channel:
                self.stop(channel, identity, keeper.KILL)
        self.spares.dismiss(channel)
        channel.close()
        if self.stay:
            self.stay.used()

    def stop(self, channel: socket.socket, identity: str, number: int) -> None:
        """Signal the keeper of a task; one that waits is not started."""
        if self.waiting.pop((channel, identity), None):
            send(channel, event="ended", id=identity, error="stopped before it was started")
        for pid, task in list(self.keepers.items()):
            if task == (channel, identity):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)

    def start(self, channel: socket.socket, identity: str, launch: str, function: str = "") -> None:
        """Give a task to the keeper that waits for it; during the imports, one without a keeper waits."""
        if not self.ready and function not in self.spares:
            self.waiting[channel, identity] = launch
            return
        signal.pthread_sigmask(signal.SIG_BLOCK, keeper.KEPT)
        spare, problem = self.spares.take(function, channel), ""
        if spare is None and self.ready:
            problem = self.prepare()
            spare = self.spares.take("", channel)
        if spare:
            self.keepers[spare.pid] = (channel, identity)
            spare.orders.write(json.dumps([identity, launch]), channel)
        else:
            send(channel, event="ended", id=identity, error=f"no new process: {problem}")
        signal.pthread_sigmask(signal.SIG_UNBLOCK, keeper.KEPT)

    def prepare(
        self, function: str = "", coming: "orders.Coming | None" = None, run: socket.socket | None = None
    ) -> str:
        """Have a keeper that waits for the next task, for any or of a function; return why there can be none."""
        try:
            if function not in self.spares:
                self.spares.fork(function, coming, run)
        except OSError as error:
            return error.strerror or str(error)
        return ""

    def reap(self, *_: object) -> None:
        """Forget ended keepers; one that did not end by itself never reported, so report for it."""
        for pid, status in self.ended():
            self.spares.forget(pid)
            channel, identity = self.keepers.pop(pid, (None, ""))
            if channel is not None and status != 0:
                error = f"the process that watched over the task ended with status {status}"
                send(channel, event="ended", id=identity, error=error)

    def ended(self) -> Iterator[tuple[int, int]]:
        """Yield ended children with their status; during the imports keepers alone: a library waits for its own."""
        children = [-1] if self.ready else [*self.keepers, *self.spares.pids]
        for child in children:
            with contextlib.suppress(ChildProcessError):
                while (found := os.waitpid(child, os.WNOHANG))[0]:
                    yield found


def send(channel: socket.socket, **message: Any) -> None:
    """Send a run a message; one that is gone does not matter."""
    with contextlib.suppress(OSError):
        channel.send(json.dumps(message).encode())


def _own_files(folder: str) -> list[str]:
    """Files of the project that the host has imported: when one changes, the host is stale."""
    files = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    own, installed = folder + os.sep, sys.prefix + os.sep
    return sorted(f for f in files if isinstance(f, str) and f.startswith(own) and not f.startswith(installed))[:200]


def _outliving(settings: dict[str, Any]) -> Outliving:
    """Stay when the run ends that started this process."""
    if not settings["outlives"]["renewed"] and os.fork():  # nobody has to wait for a process that is nobody's child
        os._exit(0)
    outliving = Outliving(stay.Stay(settings["outlives"], memory.available), watched.Watched(settings["cwd"]))
    outliving.stay.note(importing=True)
    return outliving


def _owned(settings: dict[str, Any]) -> socket.socket:
    """Die with the run that started this process; return the connection to it."""
    kernel.die_with(settings["parent"], signal.SIGKILL)
    return socket.socket(fileno=settings["channel"])


def main() -> None:
    """Import what the environment preloads, say so, and serve."""
    settings, environment = json.loads(sys.argv[1]), dict(os.environ)  # which the imports may change
    os.chdir(settings["cwd"])
    channel = None if settings["outlives"] else _owned(settings)
    outliving = _outliving(settings) if channel is None else None
    kernel.prctl(kernel.SUBREAPER, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    watched.read_sources_afresh(settings["cwd"])
    started = time.monotonic()
    gc.disable()  # imports make next to no garbage, and the search is a fifth of their time; a task enables it
    host = Host(outliving.stay.accept() if outliving else channel, outliving)
    if error := host.load(settings):
        for run in host.connections:  # those that came later start another process
            send(run, event="broken", error=error)
        if outliving:
            outliving.stay.end()
        sys.exit(1)
    gc.collect()
    gc.freeze()  # keeps the collector from touching, and so copying, memory that tasks share
    if outliving:
        outliving.watched.freeze()
        outliving.stay.serves_once = bool(outliving.watched.unsure)
        outliving.stay.note(importing=False)
    host.serve({"pid": os.getpid(), "seconds": time.monotonic() - started, "files": _own_files(settings["cwd"])})
    if outliving:
        if outliving.stay.renews:
            outliving.stay.renew(settings, environment)
        outliving.stay.end()


if __name__ == "__main__":
    main()
