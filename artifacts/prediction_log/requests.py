"""The requests of one record of a file that is being written; the rows that they asked about are in `columns`."""

from dataclasses import dataclass, field

import orjson

from core.errors import CorruptArtifact

_END = b"\n"


@dataclass(frozen=True)
class Requests:
    """Requests that one version answered; lists have an entry for each."""

    version: int
    ids: list[str]
    rows: list[int]
    """Rows of each that are in the record."""
    times: list[int]
    """When each was answered, in microseconds since 1970."""
    roles: list[str]
    key: list[str] = field(default_factory=list)
    """Columns whose values are a row's key; `<request id>/<row>` is, if there are none."""
    dropped: dict[str, int] = field(default_factory=dict)
    """By reason, rows that were answered and not logged since the record before."""

    def line(self) -> bytes:
        """Return the first line of the record."""
        return orjson.dumps(self) + _END


def requests_of(record: bytes) -> tuple[Requests, int]:
    """Read the requests of a record, and where its rows begin; CorruptArtifact when it is no such record."""
    try:
        end = record.index(_END)
        return Requests(**orjson.loads(record[:end])), end + len(_END)
    except (ValueError, TypeError) as error:
        raise CorruptArtifact(
            f"a record of the prediction log: wanted columns of answered rows, got something else: {error}"
        ) from None
