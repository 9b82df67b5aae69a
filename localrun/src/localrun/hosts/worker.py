"""The warm process of one environment: imports once, then forks a process per task.

Runs as a script under the environment's own interpreter and imports nothing of localrun. Three processes deep:

    host    imported everything; forks a keeper per task; dies with the runner
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
import signal
import socket
import time
import traceback
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from localrun.hosts import keeper
else:

    def _beside(name: str) -> Any:
        """Load a file beside this one, under a name that no module of a task has."""
        spec = importlib.util.spec_from_file_location(f"localrun_{name}", f"{__file__[: -len('worker.py')]}{name}.py")
        sys.modules[spec.name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    _beside("guard")
    keeper = _beside("keeper")


class Host:
    """Answers the runner's messages; everything heavy has been imported when it starts."""

    def __init__(self, channel: socket.socket) -> None:
        self.channel = channel
        self.keepers: dict[int, str] = {}
        self.spare: tuple[int, keeper.Orders] | None = None
        """A keeper that waits for a task."""

    def send(self, **message: Any) -> None:
        """Send the runner a message; a runner that is gone does not matter."""
        with contextlib.suppress(OSError):
            self.channel.send(json.dumps(message).encode())

    def serve(self) -> None:
        """Fork and cancel on request, until the runner closes the channel; then end every task."""
        signal.signal(signal.SIGCHLD, self.reap)
        self.prepare()
        while data := self.channel.recv(65536):
            message = json.loads(data)
            if "launch" in message:
                self.start(message["id"], message["launch"])
                self.prepare()
            elif "cancel" in message:
                self.stop(message["cancel"], keeper.KILL if message["kill"] else signal.SIGTERM)
            else:
                self.send(event="alive")
        for identity in list(self.keepers.values()):
            self.stop(identity, keeper.KILL)
        while self.keepers:
            time.sleep(0.01)

    def stop(self, identity: str, number: int) -> None:
        """Signal the keeper of a task."""
        for pid, name in list(self.keepers.items()):
            if name == identity:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)

    def start(self, identity: str, launch: str) -> None:
        """Give a task to the keeper that waits for one."""
        signal.pthread_sigmask(signal.SIG_BLOCK, keeper.KEPT)
        problem = "" if self.spare else self.prepare()
        if self.spare:
            (pid, orders), self.spare = self.spare, None
            self.keepers[pid] = identity
            orders.write(json.dumps([identity, launch]))
        else:
            self.send(event="ended", id=identity, error=f"no new process: {problem}")
        signal.pthread_sigmask(signal.SIG_UNBLOCK, keeper.KEPT)

    def prepare(self) -> str:
        """Fork the keeper of the next task ahead of time; return why that was not possible."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, keeper.KEPT)
        problem = ""
        try:
            orders = keeper.Orders()
            pid = os.fork()
            if pid == 0:
                keeper.Keeper(self.channel, orders).run()
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
                identity = self.keepers.pop(pid, None)
                if identity is not None and status != 0:
                    self.send(
                        event="ended",
                        id=identity,
                        error=f"the process that watched over the task ended with status {status}",
                    )


def _own_files(folder: str) -> list[str]:
    """Files of the project that the host has imported: when one changes, the host is stale."""
    files = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    own, installed = folder + os.sep, sys.prefix + os.sep
    return sorted(f for f in files if isinstance(f, str) and f.startswith(own) and not f.startswith(installed))[:200]


def main() -> None:
    """Import what the environment preloads, say so, and serve."""
    settings = json.loads(sys.argv[1])
    channel = socket.socket(fileno=settings["channel"])
    keeper.die_with(settings["parent"], signal.SIGKILL)
    keeper.prctl(keeper.SUBREAPER, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.chdir(settings["cwd"])
    keeper.read_sources_afresh(settings["cwd"])
    host = Host(channel)
    started = time.monotonic()
    try:
        for name in settings["preload"]:
            if name != keeper.EXECUTOR and settings["cwd"] not in sys.path:
                sys.path.insert(0, settings["cwd"])
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
