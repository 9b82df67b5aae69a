"""Seals of the journal's rows: a bit that changed on the disk is found when a row is read, and never becomes a value.

A row's JSON column carries, as its key `seal`, a digest over the row's other columns and the rest of that JSON.
SQLite itself has no checksums: it returns what the disk returns.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from localrun.errors import StoreError
from localrun.store.codec import text

_SEAL = "seal"


def sealed(columns: Sequence[Any], content: dict[str, Any]) -> str:
    """Return the JSON of a row's content with the seal over it and the other columns."""
    return text({**content, _SEAL: _seal(columns, content)})


def opened(where: str, columns: Sequence[Any], column: str) -> dict[str, Any]:
    """Return the content of a row's JSON; StoreError, which names `where`, when the row is not as it was written.

    A row of an older version has no seal; it is taken as it is.
    """
    try:
        content: dict[str, Any] = json.loads(column)
        seal = content.pop(_SEAL, None)
    except (ValueError, AttributeError, TypeError) as error:
        raise StoreError(f"{where}: {_CHANGED}: {error}") from None
    if seal is not None and seal != _seal(columns, content):
        raise StoreError(f"{where}: {_CHANGED}")
    return content


WAY_OUT = "restore the file, or move it away: results are then computed again"
_CHANGED = f"a record is not as it was written; {WAY_OUT}"


def _seal(columns: Sequence[Any], content: dict[str, Any]) -> str:
    return hashlib.sha256(text([list(columns), content]).encode()).hexdigest()[:16]
