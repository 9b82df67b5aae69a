"""Converts in a child process, which may die: the next request then gets a new one."""

import re
import signal
import tempfile
from collections import deque
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import Self

from adapters import tf_fork
from components.compress_model.convert import Convert, Request, answer_requests, convert
from core.errors import ConversionError

_OPERATION = re.compile(r"(?:error: |loc\(.*?)'(t\w+\.[A-Za-z0-9_]+)' op")
_NAMED = re.compile(r"(?:Select TF ops|Custom ops|TF Select ops): ([A-Za-z0-9_, ]+)")
_SHOWN = 600
_NO_EQUIVALENT = (
    "write it with other operations in build_model (of integers, `offsets + index` converts where `index + offsets` "
    "does not), or leave compress_model out"
)


class ConverterDied(ConversionError):
    """The converter's process ended; `signal` is the name of what ended it, such as SIGABRT."""

    def __init__(self, message: str, signal: str) -> None:
        super().__init__(message)
        self.signal = signal


class Converter:
    """A process that converts beside this one, one request after the other.

    It is a fork of this process where TensorFlow has only been imported, so open it before anything is computed.
    """

    def __init__(self, seconds: float, how: Convert = convert) -> None:
        """Take the time that one conversion may take, and what converts, a function of a module."""
        self._seconds, self._how = seconds, how
        self._child: BaseProcess | None = None
        self._requests: Connection | None = None
        self._asked: deque[Request] = deque()
        """Without an answer, in the order in which the child takes them."""
        self._answers: dict[Path, ConversionError | None] = {}
        """By the file that was asked for."""
        self._log = tempfile.NamedTemporaryFile("rb", prefix="converter-", suffix=".log")  # noqa: SIM115 - see __exit__

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()
        self._log.close()

    def submit(self, request: Request) -> None:
        """Ask for a conversion, which goes on beside this process; `convert` then waits for it."""
        self._asked.append(request)
        self._send(request)

    def convert(self, request: Request) -> None:
        """Wait until a request's file is written; submits one that was not.

        Raises ConverterDied when the process ends or takes too long, ConversionError when it refuses the model; both
        name the operation where the converter does.
        """
        if request not in self._asked and request.output not in self._answers:
            self.submit(request)
        while request.output not in self._answers:
            self._take_answer()
        failure = self._answers.pop(request.output)
        if failure is not None:
            raise failure

    def _take_answer(self) -> None:
        """Take the answer to the oldest request; a death is its answer, and a new process gets the later ones."""
        assert self._requests is not None
        request = self._asked.popleft()
        try:
            answer: str | None = self._requests.recv() if self._requests.poll(self._seconds) else self._hung()
        except (EOFError, OSError):
            self._answers[request.output] = self._death(request)
            self._start()
            for one in self._asked:
                self._send(one)
            return
        printed = self._log.read().decode("utf-8", "replace")
        self._answers[request.output] = None if answer is None else _refusal(request, answer, printed)

    def _send(self, request: Request) -> None:
        assert self._requests is not None
        with suppress(BrokenPipeError):  # the next answer shows the death, and what is left goes to a new process
            self._requests.send(request)

    def _hung(self) -> str | None:
        assert self._child is not None
        self._child.kill()
        raise EOFError

    def _death(self, request: Request) -> ConverterDied:
        assert self._child is not None
        self._child.join()
        status = self._child.exitcode or 0
        name = signal.Signals(-status).name if status < 0 else f"exit code {status}"
        printed = self._log.read().decode("utf-8", "replace")
        took = f" after {self._seconds:g} s (compress_model.conversion_seconds)" if name == "SIGKILL" else ""
        return ConverterDied(
            f"compress_model: {request.quantization}: the converter died of {name}{took} at {_operations(printed)}; "
            f"{_NO_EQUIVALENT}: {_short(printed) or 'it printed nothing'}",
            name,
        )

    def _start(self) -> None:
        self._end()
        context = tf_fork.context()
        self._requests, theirs = context.Pipe()
        self._child = context.Process(
            target=answer_requests, args=(theirs, Path(self._log.name), self._how), daemon=True
        )
        self._child.start()
        theirs.close()

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.join()
            child.close()
        if self._requests is not None:
            self._requests.close()


def _refusal(request: Request, answer: str, printed: str) -> ConversionError:
    operations = _operations(answer + printed)
    return ConversionError(
        f"compress_model: {request.quantization}: TensorFlow Lite has no equivalent of {operations}; "
        f"{_NO_EQUIVALENT}: {_short(answer)}"
    )


def _operations(text: str) -> str:
    """Return the operations that a message of the converter names."""
    listed = [name.strip() for found in _NAMED.findall(text) for name in found.split(",")]
    names = dict.fromkeys(name for name in (*listed, *_OPERATION.findall(text)) if name)
    return ", ".join(names) or "an operation that it does not name"


def _short(text: str) -> str:
    """Return the lines of a message that say what is wrong."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = [line for line in lines if re.search(r"error|ERROR|failed|Failed|Fatal|not supported", line)] or lines[-3:]
    return " | ".join(told)[:_SHOWN]
