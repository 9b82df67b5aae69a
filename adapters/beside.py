"""Work in a process beside this one, for a stage whose parts do not need each other: Python computes on one core."""

import gc
import os
import pickle
import signal
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from adapters.forkable import is_forkable
from adapters.tf_fork import die_with_parent

Result = TypeVar("Result")
_NICE = 10
"""About a tenth of what another process gets of a core."""


def has_room() -> bool:
    """Whether a second process gains anything and can be forked; a stage asks before TensorFlow computes in it."""
    return len(os.sched_getaffinity(0)) > 1 and is_forkable()


class Beside(Generic[Result]):
    """A piece of work that a fork of this process does meanwhile; used as a context, it ends with the block."""

    def __init__(
        self, work: Callable[[Callable[[], Any]], Result], *, forks: bool = True, gives_way: bool = False
    ) -> None:
        """Start it; `work` gets a function that waits for what `give` hands over, and returns what can be pickled.

        Unless it `forks`, the work is done here when its result is asked for. One that `gives_way` uses what other
        processes leave of the cores.
        """
        self._work = work
        self._given: Any = None
        self._gives_way = gives_way
        self._ours, theirs = Pipe()
        self._file = -1
        self.pid = 0
        if not forks:
            theirs.close()
            return
        self._file = os.memfd_create("result")  # holds it when the process has ended, and its memory is free
        with theirs:
            self.pid = os.fork()
            if not self.pid:
                self._serve(theirs)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def give(self, value: Any) -> None:
        """Hand over what the work waits for."""
        self._given = value
        with suppress(OSError):  # a process that is gone is noticed by `result`
            self._ours.send(value)

    def result(self) -> Result:
        """Wait for the result.

        Where the other process failed or died, the work is done in this one: it costs time, and an error is raised
        where everybody sees it.
        """
        failed = os.waitpid(self.pid, 0)[1] if self.pid else True
        self.pid = 0
        if failed:
            return self._work(lambda: self._given)
        with open(self._file, "rb", closefd=False) as file:
            file.seek(0)
            found: Result = pickle.load(file)  # noqa: S301 - of our own process
        return found

    def end(self) -> None:
        """End the process, if there is one."""
        self._ours.close()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = 0

    def _serve(self, theirs: Connection) -> None:
        """Work, keep the result, and end without what the process that was forked does at its end."""
        code = 1
        try:
            die_with_parent()
            self._ours.close()
            gc.freeze()
            if self._gives_way:
                os.nice(_NICE)
            result = self._work(theirs.recv)
            with open(self._file, "wb", closefd=False) as file:
                pickle.dump(result, file, pickle.HIGHEST_PROTOCOL)
            code = 0
        finally:
            os._exit(code)
