"""The journal as a log in an object store, for handlers without a disk.

`<folder>/log/<number>.json` is one operation. Writers compete for the next number by create-if-absent, and who loses
reads what the others wrote and tries again: the log has one order, and each handler's tables follow from it.
`<folder>/tables/<number>.sqlite` are the tables after so many operations, so that a handler that starts reads few.
Entries are never overwritten or removed while a handler may still try to write one of that number.
"""

import json
import logging
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from core import objects
from core.digest import of_bytes
from core.errors import NoSuchObject, StoreError
from mlops.triggers.storage import seals
from mlops.triggers.storage.operations import OPERATIONS
from mlops.triggers.storage.protocol import JournalError, Result

EVERY = 50
"""Operations between two copies of the tables."""
TURN_SECONDS = 150.0
"""How long a handler that died keeps others from a use case; more than a request to it may take."""
_TRIES = 200
"""How often other writers may take the next number first before it is an error."""
_LOG = logging.getLogger("mlops.triggers")


class LogStorage:
    """A journal's tables in an object store; `Storage` documents the methods."""

    def __init__(self, folder: str, clock: Callable[[], float] = time.time) -> None:
        """Use a folder such as `gs://bucket/folder/triggers`; nothing is read before it is needed."""
        self._folder = objects.checked(folder)
        self._clock = clock
        self._one_at_a_time = threading.RLock()
        self._db: sqlite3.Connection | None = None
        self._number = 0
        """Of the last operation in the tables."""

    @property
    def place(self) -> str:
        """The folder's address."""
        return self._folder

    def read(self, query: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run a query on what the log has now."""
        with self._current() as db:
            return query(db)

    def change(self, operation: str, **arguments: Any) -> Any:
        """Run an operation, and return once the log has it; one that changes nothing is not written."""
        with self._current() as db:
            for _ in range(_TRIES):
                is_done, result = self._tried(db, operation, arguments)
                if is_done:
                    return result
                self._catch_up(db)
        raise JournalError(f"{self._folder}: other handlers took the next number {_TRIES} times; send it again")

    def _tried(self, db: sqlite3.Connection, operation: str, arguments: dict[str, Any]) -> tuple[bool, Any]:
        """Run an operation and append it; undone, and not done, when another handler has taken the next number."""
        with _undone_unless_committed(db):
            before = db.total_changes
            result = OPERATIONS[operation](db, **arguments)
            if db.total_changes == before:
                return True, result
            if not self._append(operation, arguments):
                return False, None
            db.execute("COMMIT")
        self._number += 1
        self._keep_tables(db)
        return True, result

    @contextmanager
    def turn(self, usecase: str) -> Iterator[bool]:
        """Take a use case for a while; one that is not given back, because its handler died, is free after that."""
        owner = uuid.uuid4().hex
        if not self.change("take_turn", usecase=usecase, owner=owner, now=self._clock(), seconds=TURN_SECONDS):
            yield False
            return
        try:
            yield True
        finally:
            with suppress(JournalError):  # it is free again after a while
                self.change("end_turn", usecase=usecase, owner=owner)

    @contextmanager
    def _current(self) -> Iterator[sqlite3.Connection]:
        """The tables as the log has them now, for one thread at a time."""
        with self._one_at_a_time:
            try:
                if self._db is None:
                    self._db, self._number = self._opened()
                self._catch_up(self._db)
                yield self._db
            except (StoreError, sqlite3.Error, seals.Changed) as error:
                raise JournalError(
                    f"{self._folder}: the journal of triggers cannot be used: {error}; send it again"
                ) from error

    def _opened(self) -> tuple[sqlite3.Connection, int]:
        """Open the newest copy of the tables that is intact, with its number; empty ones where there is none."""
        copies = [entry.address for entry in objects.entries(objects.join(self._folder, "tables"))]
        for address in reversed(copies):
            try:
                return _tables(objects.read(address)), int(address.rpartition("/")[2].partition(".")[0])
            except NoSuchObject:
                continue  # a newer one took its place meanwhile
            except (sqlite3.Error, UnicodeError, seals.Changed) as error:
                _LOG.warning("%s: %s; its operations are read again from the log", address, error)
        return _tables(), 0

    def _catch_up(self, db: sqlite3.Connection) -> None:
        """Run the operations that others have written since."""
        while True:
            address = self._entry(self._number + 1)
            try:
                entry = _opened(objects.read(address), address)
            except NoSuchObject:
                return
            if entry["operation"] not in OPERATIONS:
                raise JournalError(
                    f"{address}: operation {entry['operation']!r} is of a newer version; update this one"
                )
            with _undone_unless_committed(db):
                OPERATIONS[entry["operation"]](db, **entry["arguments"])
                db.execute("COMMIT")
            self._number += 1

    def _append(self, operation: str, arguments: dict[str, Any]) -> bool:
        """Write an operation under the next number; False when another handler has taken it."""
        entry = {"operation": operation, "arguments": arguments, "nonce": uuid.uuid4().hex}
        return objects.create(self._entry(self._number + 1), json.dumps(entry | {"seal": _seal(entry)}).encode())

    def _entry(self, number: int) -> str:
        return objects.join(self._folder, "log", f"{number:020d}.json")

    def _keep_tables(self, db: sqlite3.Connection) -> None:
        """Write a copy of the tables from time to time; without one, a start takes longer."""
        if self._number % EVERY:
            return
        try:
            objects.write(objects.join(self._folder, "tables", f"{self._number:020d}.sqlite"), db.serialize())
            if self._number > 2 * EVERY:
                objects.delete(objects.join(self._folder, "tables", f"{self._number - 2 * EVERY:020d}.sqlite"))
        except StoreError as error:
            _LOG.warning("%s: no copy of the tables: %s", self._folder, error)


def _tables(copy: bytes = b"") -> sqlite3.Connection:
    """Open tables in memory, those of a copy where there is one; sqlite3.Error or Changed for a damaged one."""
    db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    db.row_factory = sqlite3.Row
    if copy:
        db.deserialize(copy)
    seals.register(db)
    seals.prepare(db)
    seals.check(db)
    return db


def _opened(content: bytes, address: str) -> dict[str, Any]:
    """Return an operation of the log; JournalError when it is not as it was written. Older ones have no seal."""
    try:
        entry: dict[str, Any] = json.loads(content)
        seal = entry.pop("seal", "")
    except (ValueError, AttributeError, TypeError) as error:
        raise JournalError(f"{address}: an operation is not as it was written: {error}; restore the object") from None
    if seal and seal != _seal(entry):
        raise JournalError(f"{address}: an operation is not as it was written; restore the object")
    return entry


def _seal(entry: dict[str, Any]) -> str:
    return of_bytes(json.dumps(entry, sort_keys=True).encode())


@contextmanager
def _undone_unless_committed(db: sqlite3.Connection) -> Iterator[None]:
    """Undo what the block changes, unless it commits."""
    db.execute("BEGIN")
    try:
        yield
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")
