"""Ctrl-C while a verb still imports its libraries, which takes seconds."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from types import FrameType


@contextlib.contextmanager
def ctrl_c_ends_imports() -> Iterator[None]:
    """Let Ctrl-C end the program at once while something is imported; elsewhere it is a KeyboardInterrupt as ever.

    Modules in C swallow an exception in their imports: pyarrow's prints it, and goes on. Nothing has to be cleaned up
    there that a kill would not leave as well. Does nothing where SIGINT is ignored, as in a shell's background.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, _interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _interrupted(number: int, frame: FrameType | None) -> None:
    caller = frame
    while caller is not None:
        if caller.f_code.co_filename == "<frozen importlib._bootstrap>":
            with contextlib.suppress(OSError, RuntimeError):  # RuntimeError: it was just being written to
                sys.stdout.flush()
            os.write(2, b"\nAborted!\n")  # as click says
            os._exit(1)
        caller = caller.f_back
    signal.default_int_handler(number, frame)
