"""The process of a task: prepares for one that may come, waits for its order, and runs it.

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
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from localrun.hosts import kernel, orders
else:
    kernel, orders = sys.modules["localrun_kernel"], sys.modules["localrun_orders"]

EXECUTOR = "kfp.dsl.executor_main"


class Task:
    """The process that runs the component's code."""

    def __init__(self, waiting: "orders.Orders", parent: int, coming: "orders.Coming | None") -> None:
        self.orders = waiting
        self.parent = parent
        self.coming = coming
        self.printed: int | None = None
        """A file with what was printed before there was a log."""
        self.launch: dict[str, Any] = {}

    def run(self) -> NoReturn:
        """Never returns: replaces this process, or ends it as Python would."""
        code = 1
        try:
            self.prepare()
            if self.coming:
                self.go_ahead(*self.coming)
            order, _ = self.orders.read()
            if not order:
                _finish(0)
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
        atexit._clear()
        if "numpy.random" in sys.modules:
            sys.modules["numpy.random"].seed()

    def go_ahead(self, module: str, told: dict[str, Any]) -> None:
        """Import the code of the task that is awaited, and let it prepare; what fails then, fails again in the task."""
        self.printed = os.memfd_create("printed")
        for target in (1, 2):
            os.dup2(self.printed, target)
        sys.path.insert(0, os.getcwd())  # noqa: PTH109
        self.orders.leave_to_giver()  # what is forked now stays until the task has ended
        if told:
            _change_variables(told)
        try:
            prepare = getattr(importlib.import_module(module), "prepare", None)
            if prepare is not None and told:
                signal.pthread_sigmask(signal.SIG_SETMASK, set())
                gc.enable()
                prepare(told["parameters"], told["artifacts"])
        except (Exception, SystemExit) as error:
            why = f"{type(error).__name__}: {error}"
            print(f"localrun: {module} could not prepare for the task, which does everything itself: {why}")
        sys.stdout.flush()

    def enter(self) -> None:
        """Take over the task's log, variables and folder."""
        log = os.open(self.launch["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        if self.printed is not None:
            os.write(log, os.pread(self.printed, os.fstat(self.printed).st_size, 0))
            os.close(self.printed)
        for source, target in ((os.open(os.devnull, os.O_RDONLY), 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        _change_variables(self.launch)
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
        gc.enable()
        if self.launch["inputs"]:
            sys.modules["localrun_guard"].guard(self.launch["inputs"])
        sys.argv = [EXECUTOR, *self.launch["argv"]]
        sys.modules[EXECUTOR].executor_main()


def _change_variables(told: dict[str, Any]) -> None:
    """Have the variables of a task's process."""
    for name in told["withheld"]:
        os.environ.pop(name, None)
    os.environ.update(told["variables"])


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
