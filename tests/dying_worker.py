"""What a worker of Beam does that dies: importable by the worker's process."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import apache_beam as beam


class SquareOrDie(beam.DoFn):
    """Squares numbers; the process that comes first kills itself while it does."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def process(self, number: int) -> Iterator[tuple[str, bytes]]:
        try:
            self._marker.touch(exist_ok=False)
        except FileExistsError:
            yield str(number), str(number * number).encode()
            return
        os.kill(os.getpid(), signal.SIGKILL)


def die(_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def whereabouts(_: object) -> tuple[str, bytes]:
    """Return the worker's process and its parent, as a file of the worker."""
    return str(os.getpid()), str(os.getppid()).encode()
