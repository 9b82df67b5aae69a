"""The journal in one SQLite file: what is recorded survives a kill and a power cut, and needs no server."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from core import durable
from core.errors import RegistryError
from mlops.triggers.storage import seals
from mlops.triggers.storage.operations import OPERATIONS
from mlops.triggers.storage.protocol import JournalError, Result

_WAIT_SECONDS = 30.0


class FileStorage:
    """A journal's tables in a file; `Storage` documents the methods."""

    def __init__(self, path: Path) -> None:
        """Open the file, and make it where there is none; a small one is checked for changed bits."""
        self._path = path
        with _explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._opened() as db:
                self._log_ahead(db)
                seals.prepare(db)
                seals.check(db)

    @property
    def place(self) -> str:
        """The file's path."""
        return str(self._path)

    def read(self, query: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run a query."""
        with self._transaction("BEGIN") as db:
            return query(db)

    def change(self, operation: str, **arguments: Any) -> Any:
        """Run an operation."""
        with self._transaction("BEGIN IMMEDIATE") as db:
            return OPERATIONS[operation](db, **arguments)

    @contextmanager
    def turn(self, usecase: str) -> Iterator[bool]:
        """Take a use case; the kernel lets go of the lock when this process dies."""
        with ExitStack() as stack:
            try:
                stack.enter_context(durable.locked(self._path.with_name(f"{usecase}.lock"), wait_seconds=0.0))
            except RegistryError:
                yield False
                return
            yield True

    def _log_ahead(self, db: sqlite3.Connection) -> None:
        """Make the file a write-ahead log; SQLite would fail at once where another process does the same."""
        if db.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            with durable.locked(self._path.with_name(f".{self._path.name}.lock")):
                db.execute("PRAGMA journal_mode = WAL")

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        with _explained(self._path), self._opened() as db, db:
            db.execute(begin)
            yield db

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """A connection of its own for each transaction: they are few, and no thread or fork ever shares one."""
        with closing(sqlite3.connect(self._path, timeout=_WAIT_SECONDS, isolation_level=None)) as db:
            db.row_factory = sqlite3.Row
            db.execute("PRAGMA synchronous = FULL")
            seals.register(db)
            yield db


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError, UnicodeError, seals.Changed) as error:
        raise JournalError(f"{path}: the journal of triggers cannot be used: {error}; nothing was recorded") from error
