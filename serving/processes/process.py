"""Set-up of a child process: end together with its parent, restore default signal handling, log to a given stream."""

import ctypes
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from core.json_lines import JsonLines

_PR_SET_PDEATHSIG = 1


def follow_parent(parent: int, with_signal: signal.Signals) -> None:
    """Ask the kernel to send this process a signal when its parent dies for any reason."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(with_signal))
    if os.getppid() != parent:
        os.kill(os.getpid(), with_signal)


@contextmanager
def without_keras() -> Iterator[None]:
    """Keep Keras out of the import of TensorFlow: nothing that serves needs it, and it is 1.4 of 3.3 s of CPU.

    TensorFlow imports it at the end of its own import, to register optimizers, and does without it where it is not
    installed. No garbage is collected meanwhile: imports make next to none, and the search is a fifth of their time.
    Has no effect once TensorFlow or Keras is imported.
    """
    kept_out = {"keras", "tf_keras"}  # the second where TF_USE_LEGACY_KERAS asks for it
    if sys.modules.keys() & {"tensorflow", *kept_out}:
        yield
        return
    sys.modules |= dict.fromkeys(kept_out)  # type: ignore[arg-type] # None: Python's way to say "no such module"
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        for name in kept_out:
            del sys.modules[name]


def default_signals() -> None:
    """Undo the parent's signal handling."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def fork(work: Callable[[], None], dies_with: signal.Signals) -> int:
    """Run work in a forked child that ends with its parent and never returns to the caller; return the child's id."""
    parent = os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        default_signals()
        follow_parent(parent, dies_with)
        work()
        code = 0
    except BaseException:
        # No error may leave this function: the code after the fork is the parent's.
        logging.getLogger("serving").exception("process %d failed", os.getpid())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def ending(status: int) -> str:
    """Describe how a process ended, from the status that `os.waitpid` returned."""
    code = os.waitstatus_to_exitcode(status)
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name


def log_to(stream: TextIO, *, as_json: bool) -> None:
    """Send the server's log to a stream, as plain or JSON lines."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        JsonLines() if as_json else logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")
    )
    logger = logging.getLogger("serving")
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False
    server = logging.getLogger("uvicorn.error")
    server.handlers = [handler]
    server.setLevel(logging.ERROR)  # its warning about invalid HTTP names neither client nor reason; ours does
    server.propagate = False
