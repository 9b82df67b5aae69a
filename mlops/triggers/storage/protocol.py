"""What the journal needs of the place where it lies."""

import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

from core.errors import MlopsError

Result = TypeVar("Result")


class JournalError(MlopsError):
    """The journal cannot be read or written; what was to be recorded is not, or is recorded once it is sent again."""


class Storage(Protocol):
    """Holds the tables of a journal; safe with several processes. Every method raises JournalError."""

    @property
    def place(self) -> str:
        """Path or address, for messages."""

    def read(self, query: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run a query that changes nothing on the newest state."""

    def change(self, operation: str, **arguments: Any) -> Any:
        """Run one of `operations.OPERATIONS` in a transaction; once this returns, what it changed is durable.

        Arguments and result are JSON.
        """

    def turn(self, usecase: str) -> AbstractContextManager[bool]:
        """Keep other handlers from a use case while the block runs; False when another one has its turn now.

        It saves work. That a fact starts one run does not depend on it.
        """
