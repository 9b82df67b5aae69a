"""Converts in a child process, which may die: the next request then gets a new one."""

import json
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from artifacts.compression.variant import Quantization
from core.errors import ConversionError
from core.user_code import ROOT

PROGRAM = "components.compress_model.convert"
_OPERATION = re.compile(r"(?:error: |loc\(.*?)'(t\w+\.[A-Za-z0-9_]+)' op")
_NAMED = re.compile(r"(?:Select TF ops|Custom ops|TF Select ops): ([A-Za-z0-9_, ]+)")
_SHOWN = 600
_NO_EQUIVALENT = (
    "write it with other operations in build_model (of integers, `offsets + index` converts where `index + offsets` "
    "does not), or leave compress_model out"
)


class Request(NamedTuple):
    """One conversion."""

    saved_model: Path
    quantization: Quantization
    output: Path
    calibration: Path | None = None
    """Packed rows, for `int8`."""
    sparse: bool = False


class ConverterDied(ConversionError):
    """The converter's process ended; `signal` is the name of what ended it, such as SIGABRT."""

    def __init__(self, message: str, signal: str) -> None:
        super().__init__(message)
        self.signal = signal


class Converter:
    """A process that converts; it is started ahead, since importing TensorFlow takes seconds."""

    def __init__(self, seconds: float, program: str = PROGRAM) -> None:
        """Take the time that one conversion may take; `program` is the module that converts."""
        self._seconds, self._program = seconds, program
        self._child: subprocess.Popen[str] | None = None
        self._log = tempfile.TemporaryFile("w+b")  # noqa: SIM115 - closed in __exit__

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()
        self._log.close()

    def convert(self, request: Request) -> float:
        """Convert, and return the seconds that it took.

        Raises ConverterDied when the process ends or takes too long, ConversionError when it refuses the model; both
        name the operation where the converter does.
        """
        child = self._child if self._child is not None and self._child.poll() is None else self._start()
        before = self._log.seek(0, os.SEEK_END)
        described = request._asdict() | {
            name: str(value) for name, value in request._asdict().items() if isinstance(value, Path)
        }
        assert child.stdin is not None
        try:
            child.stdin.write(json.dumps(described) + "\n")
            child.stdin.flush()
        except BrokenPipeError:
            raise self._death(child, request, before) from None
        line = self._line(child)
        if not line:
            raise self._death(child, request, before)
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            text = answer["error"] + self._logged(before)
            raise ConversionError(
                f"compress_model: {request.quantization}: TensorFlow Lite has no equivalent of {_operations(text)}; "
                f"{_NO_EQUIVALENT}: {_short(answer['error'])}"
            )
        return float(answer["seconds"])

    def _start(self) -> subprocess.Popen[str]:
        self._end()
        environment = dict(os.environ, TF_CPP_MIN_LOG_LEVEL="1")
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), environment.get("PYTHONPATH"))))
        self._child = subprocess.Popen(  # noqa: S603 - our own command line
            [sys.executable, "-m", self._program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=environment,
        )
        return self._child

    def _line(self, child: subprocess.Popen[str]) -> str:
        """Return the answer; empty when the process ended, or was killed because it took too long."""
        assert child.stdout is not None
        ready, _, _ = select.select([child.stdout], [], [], self._seconds)
        if not ready:
            child.kill()
        return child.stdout.readline() if ready else ""

    def _death(self, child: subprocess.Popen[str], request: Request, before: int) -> ConverterDied:
        status = child.wait()
        name = signal.Signals(-status).name if status < 0 else f"exit code {status}"
        log = self._logged(before)
        took = f" after {self._seconds:g} s (compress_model.conversion_seconds)" if name == "SIGKILL" else ""
        return ConverterDied(
            f"compress_model: {request.quantization}: the converter died of {name}{took} at {_operations(log)}; "
            f"{_NO_EQUIVALENT}: {_short(log) or 'it printed nothing'}",
            name,
        )

    def _logged(self, before: int) -> str:
        self._log.seek(before)
        return self._log.read().decode("utf-8", "replace")

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        child.wait()
        for stream in (child.stdin, child.stdout):
            if stream is not None:
                stream.close()


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
