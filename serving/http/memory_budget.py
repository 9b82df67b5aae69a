"""The memory that all requests of a process may take together, from a body's first byte to its answer."""

from collections.abc import Iterator
from contextlib import contextmanager

from serving.errors import RequestError
from serving.limits import Limits


class MemoryBudget:
    """Use it from one event loop."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._charged = 0

    @contextmanager
    def charge(self) -> Iterator["Charge"]:
        """Give what one request is charged with, until the block ends."""
        charge = Charge(self)
        try:
            yield charge
        finally:
            self._charged -= charge.size

    def _resize(self, before: int, after: int) -> None:
        if self._charged + after - before > self._limits.memory_bytes and after > before:
            raise RequestError(503, "UNAVAILABLE", "too many large requests at one time; try again later")
        self._charged += after - before

    def _parsed_bytes(self, body_bytes: int) -> int:
        return body_bytes * self._limits.expansion


class Charge:
    """The bytes of memory that one request is charged with."""

    def __init__(self, budget: MemoryBudget) -> None:
        self._budget = budget
        self.size = 0

    def hold(self, size: int) -> None:
        """Charge for so many bytes in all; RequestError (503) when all requests together would hold too much."""
        self._budget._resize(self.size, size)
        self.size = size

    def parse(self, body_bytes: int) -> None:
        """Charge for the most that a body of so many bytes can become; RequestError (503) as above."""
        self.hold(self._budget._parsed_bytes(body_bytes))
