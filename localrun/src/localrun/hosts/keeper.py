"""What the warm process forks for a task: a keeper, and under it the task itself.

Loaded by `worker.py` under the environment's own interpreter; imports nothing of localrun.
"""

import contextlib
import json
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from localrun.hosts import kernel, orders, task
else:
    kernel, orders, task = (sys.modules[f"localrun_{name}"] for name in ("kernel", "orders", "task"))

KILL = signal.SIGUSR1
"""The signal on which a keeper kills its task at once."""
_PATIENCE = 2.0
"""Seconds that a process has to clean up which no task has come for."""
KEPT = {signal.SIGCHLD, signal.SIGTERM, KILL}


class Keeper:
    """Stands between host and task: starts the task, waits, reports, and leaves no descendant behind.

    Both are forked ahead of time and wait for their orders, because forking takes longer than most other things here.
    """

    def __init__(
        self, waiting: "orders.Orders", inherited: list[socket.socket], coming: "orders.Coming | None" = None
    ) -> None:
        self.orders = waiting
        self.coming = coming
        self.inherited = inherited
        """What the host has open, and this process must not hold."""
        self.channel: socket.socket | None = None
        """Where the run is that gave the order."""
        self.identity = ""
        self.parent = os.getppid()
        self.launch: dict[str, Any] = {}

    def run(self) -> NoReturn:
        """Never returns: this process ends with its task."""
        try:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            kernel.die_with(self.parent, signal.SIGTERM)
            kernel.prctl(kernel.SUBREAPER, 1)
            for one in self.inherited:
                one.close()
            self.serve(*self.fork(self.coming))
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)

    def fork(self, coming: "orders.Coming | None") -> tuple[int, "orders.Orders"]:
        """Fork the task's process, which prepares for what is coming; return it, and where it waits for its order."""
        inner = orders.Orders()
        child = os.fork()
        if child == 0:
            self.orders.close()
            if self.channel is not None:
                self.channel.close()
            task.Task(inner, os.getppid(), coming).run()
        return child, inner

    def serve(self, child: int, inner: "orders.Orders") -> None:
        """Wait for the one task, pass it on, and report its end."""
        order, self.channel = self.orders.read()
        if not order:
            inner.close()
            self.wait(child, time.monotonic() + _PATIENCE, {signal.SIGCHLD})
            return
        self.identity, launch = json.loads(order)
        with open(launch, encoding="utf-8") as stream:  # noqa: PTH123
            self.launch = json.load(stream)
        if not self.has_prepared(child):
            inner.close()
            self.wait(child, time.monotonic() + _PATIENCE, {signal.SIGCHLD})
            child, inner = self.fork(None)
        started, killed = time.monotonic(), kernel.oom_kills()
        inner.write(json.dumps(self.launch))
        self.send(event="started", id=self.identity, pid=child)
        status, peak = self.wait(child)
        if status:
            self.clean()
        out_of_memory = os.waitstatus_to_exitcode(status) in {-9, 137} and kernel.oom_kills() > killed
        seconds = time.monotonic() - started
        self.send(
            event="ended", id=self.identity, status=status, max_rss=peak, seconds=seconds, out_of_memory=out_of_memory
        )

    def has_prepared(self, child: int) -> bool:
        """Whether a process can be the task's: it lives, and has prepared with the very variables, if with any."""
        if self.coming is None:
            return True
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            with contextlib.suppress(OSError), open(self.launch["log"], "a", encoding="utf-8") as log:  # noqa: PTH123
                why = "its process ended, and another does everything"
                log.write(f"localrun: {self.coming.module} could not prepare for the task: {why}\n")
            return False
        told = self.coming.told
        return not told or all(told[name] == self.launch[name] for name in ("variables", "withheld"))

    def clean(self) -> None:
        """End what outlives the task's processes, such as a container; also when the host has died."""
        if self.launch["cleanup"]:
            import subprocess  # noqa: PLC0415 - only a container needs it

            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                subprocess.run(  # noqa: S603 - our own command line, as a list
                    self.launch["cleanup"], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False
                )

    def send(self, **message: Any) -> None:
        """Send the runner a message; a runner that is gone does not matter."""
        if self.channel is not None:
            with contextlib.suppress(OSError):
                self.channel.send(json.dumps(message).encode())

    def wait(
        self, child: int, kill_at: float | None = None, heeded: Collection[signal.Signals] = frozenset(KEPT)
    ) -> tuple[int, int]:
        """Return the task's wait status and peak memory in bytes when it and all its descendants are gone.

        What is left when the task has ended is killed, or earlier: at a time, or on a signal that is heeded.
        """
        result: tuple[int, int] | None = None
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
                kernel.signal_descendants(signal.SIGKILL)
            received = signal.sigtimedwait(heeded, 3600.0 if kill_at is None else 0.05)
            if received is not None and received.si_signo != signal.SIGCHLD:
                kill_at = self.stop(received.si_signo)

    def stop(self, number: int) -> float:
        """Ask the descendants to end, or kill them on KILL or when the host died; return when to kill them."""
        if number == KILL or os.getppid() != self.parent:
            return 0.0
        kernel.signal_descendants(signal.SIGTERM)
        return time.monotonic() + float(self.launch["grace"])
