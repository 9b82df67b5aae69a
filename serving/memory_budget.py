"""The memory that all requests of a process may take together, from a body's first byte to the end of its answer."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from serving.errors import RequestError, too_large
from serving.limits import Limits


class MemoryBudget:
    """Shared by the servers of one process; requests may be charged from any thread."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._charged = 0
        self._lock = threading.Lock()

    @contextmanager
    def charge(self) -> Iterator["Charge"]:
        """Give what one request is charged with, until the block ends."""
        charge = self.open()
        try:
            yield charge
        finally:
            charge.close()

    def open(self) -> "Charge":
        """Give what one request is charged with, until it is closed."""
        return Charge(self)

    def _change(self, size: int) -> None:
        with self._lock:
            self._charged += size

    def _resize(self, before: int, after: int) -> None:
        with self._lock:
            if self._charged + after - before > self._limits.memory_bytes and after > before:
                raise RequestError(503, "UNAVAILABLE", "too many large requests at one time; try again later")
            self._charged += after - before


class Charge:
    """The bytes of memory that one request is charged with."""

    def __init__(self, budget: MemoryBudget) -> None:
        self._budget = budget
        self._request = 0
        self._size = 0

    def hold(self, size: int) -> None:
        """Charge for so many bytes in all; RequestError (503) when all requests together would hold too much."""
        self._request = size
        self._resize(size)

    def parse(self, body_bytes: int) -> None:
        """Charge for the most that a body of so many bytes can become; RequestError (503) as above."""
        self.hold(body_bytes * self._budget._limits.expansion)

    def answer(self, size: int) -> None:
        """Charge for an answer besides the request; RequestError: 503 as above, 413 when it could never be held."""
        most = self._budget._limits.memory_bytes
        if self._request + size > most:
            raise too_large(
                f"the answer would take {size} bytes of memory beside the request's {self._request}, of {most} in all; "
                "send fewer rows in one request"
            )
        self._resize(self._request + size)

    def reply(self, size: int) -> None:
        """Charge for a reply alone, as the request and what became of it are gone; never refused, as it exists."""
        self._request = 0
        self._budget._change(size - self._size)
        self._size = size

    def shrink(self, size: int) -> None:
        """Charge for a reply alone, unless its client has read it already."""
        if self._size:
            self.reply(size)

    def close(self) -> None:
        """Take the charge back."""
        self.reply(0)

    def _resize(self, size: int) -> None:
        self._budget._resize(self._size, size)
        self._size = size
