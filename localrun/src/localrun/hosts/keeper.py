"""What the warm process forks for a task: a keeper, and under it the task itself.

Loaded by `worker.py` under the environment's own interpreter; imports nothing of localrun.
"""

import atexit
import contextlib
import faulthandler
import gc
import importlib
import json
import os
import signal
import socket
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from localrun.hosts import kernel
else:
    kernel = sys.modules["localrun_kernel"]

EXECUTOR = "kfp.dsl.executor_main"
KILL = signal.SIGUSR1
"""The signal on which a keeper kills its task at once."""
KEPT = {signal.SIGCHLD, signal.SIGTERM, KILL}


class Orders:
    """A connection over which one process gets one order."""

    def __init__(self) -> None:
        self.reading, self.writing = socket.socketpair()

    def read(self) -> tuple[str, socket.socket | None]:
        """Wait for the order and what comes with it; empty when the process that would give it is gone."""
        self.writing.close()
        order = b""
        channel: socket.socket | None = None
        with self.reading:
            while True:
                data, handles, _, _ = socket.recv_fds(self.reading, 65536, 1)
                for handle in handles:
                    os.set_inheritable(handle, False)
                    channel = socket.socket(fileno=handle)
                if not data:
                    return order.decode(), channel
                order += data

    def write(self, order: str, channel: socket.socket | None = None) -> None:
        """Give the order, and with it the connection over which to report."""
        with contextlib.suppress(OSError):
            data = order.encode()
            sent = socket.send_fds(self.writing, [data], [channel.fileno()]) if channel else 0
            self.writing.sendall(data[sent:])
        self.close()

    def close(self) -> None:
        """Close without giving an order."""
        self.reading.close()
        self.writing.close()


class Keeper:
    """Stands between host and task: starts the task, waits, reports, and leaves no descendant behind.

    Both are forked ahead of time and wait for their orders, because forking takes longer than most other things here.
    """

    def __init__(self, orders: Orders, inherited: list[socket.socket], module: str = "") -> None:
        self.orders = orders
        self.module = module
        """What the task imports while it is awaited."""
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
            inner = Orders()
            child = os.fork()
            if child == 0:
                self.orders.close()
                Task(inner, os.getppid(), self.module).run()
            self.serve(child, inner)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)

    def serve(self, child: int, inner: Orders) -> None:
        """Wait for the one task, pass it on, and report its end."""
        order, self.channel = self.orders.read()
        if not order:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return
        self.identity, launch = json.loads(order)
        with open(launch, encoding="utf-8") as stream:  # noqa: PTH123
            self.launch = json.load(stream)
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
                kernel.signal_descendants(signal.SIGKILL)
            received = signal.sigtimedwait(KEPT, 3600.0 if kill_at is None else 0.05)
            if received is not None and received.si_signo != signal.SIGCHLD:
                kill_at = self.stop(received.si_signo)

    def stop(self, number: int) -> float:
        """Ask the descendants to end, or kill them on KILL or when the host died; return when to kill them."""
        if number == KILL or os.getppid() != self.parent:
            return 0.0
        kernel.signal_descendants(signal.SIGTERM)
        return time.monotonic() + float(self.launch["grace"])


class Task:
    """The process that runs the component's code."""

    def __init__(self, orders: Orders, parent: int, module: str) -> None:
        self.orders = orders
        self.parent = parent
        self.module = module
        self.printed = b""
        """What was printed before there was a log."""
        self.launch: dict[str, Any] = {}

    def run(self) -> NoReturn:
        """Never returns: replaces this process, or ends it as Python would."""
        code = 1
        try:
            self.prepare()
            if self.module:
                self.import_ahead()
            order, _ = self.orders.read()
            if not order:
                os._exit(0)
            self.launch = json.loads(order)
            self.enter()
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
        """Become a process like any other, as far as that goes without knowing the task."""
        os.setsid()
        kernel.die_with(self.parent, signal.SIGKILL)
        for number in (signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def import_ahead(self) -> None:
        """Import the code of the task that is awaited; where that fails, it fails again in the task."""
        printed = os.memfd_create("printed")
        for target in (1, 2):
            os.dup2(printed, target)
        sys.path.insert(0, os.getcwd())  # noqa: PTH109
        with contextlib.suppress(Exception, SystemExit):
            importlib.import_module(self.module)
        sys.stdout.flush()
        self.printed = os.pread(printed, os.fstat(printed).st_size, 0)
        os.close(printed)

    def enter(self) -> None:
        """Take over the task's log, variables and folder."""
        log = os.open(self.launch["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        os.write(log, self.printed)
        for source, target in ((os.open(os.devnull, os.O_RDONLY), 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        for name in self.launch["withheld"]:
            os.environ.pop(name, None)
        os.environ.update(self.launch["variables"])
        os.chdir(self.launch["cwd"])
        own = [self.launch["cwd"], self.launch["hidden"]]
        sys.path[:] = [own[0], *(folder for folder in sys.path if folder not in own)]
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
        if self.launch["inputs"]:
            sys.modules["localrun_guard"].guard(self.launch["inputs"])
        sys.argv = [EXECUTOR, *self.launch["argv"]]
        sys.modules[EXECUTOR].executor_main()


def _finish(code: int) -> NoReturn:
    """End as the interpreter does: join threads, run this task's exit functions (not the host's), flush."""
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
