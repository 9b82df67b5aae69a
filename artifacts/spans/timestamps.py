"""Derives features from times, such as the hour.

A time without a zone is not converted; one with a zone is converted to UTC.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
import pyarrow.compute as pc

from core.errors import DataError

_PARTS: Mapping[str, Callable[[pa.Array], pa.Array]] = {
    "year": pc.year,
    "month": pc.month,
    "day": pc.day,
    "hour": pc.hour,
    "minute": pc.minute,
    "day_of_week": lambda times: pc.day_of_week(times, count_from_zero=False),
    "day_of_year": pc.day_of_year,
    "epoch_seconds": lambda times: pc.cast(times, pa.int64()),
}
"""The features that can be derived from a time; Monday is day 1 of the week."""


@dataclass(frozen=True)
class Timestamp:
    """The features of a column of times, and the strptime format of its text (ISO 8601 when empty)."""

    parts: tuple[str, ...]
    format: str = ""

    def parse(self, text: str) -> int:
        """Parse text as seconds since 1970; ValueError for text of another format."""
        try:
            time = datetime.strptime(text, self.format) if self.format else datetime.fromisoformat(text)  # noqa: DTZ007
        except ValueError:
            raise ValueError(
                f"wanted a time written as {self.format or 'ISO 8601'}, got {text!r}; "
                "set its format in ingest_examples.timestamps"
            ) from None
        return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp())

    def features(self, name: str, seconds: pa.Array) -> dict[str, pa.Array]:
        """Return the features of a column of seconds since 1970, named `<column>_<part>`."""
        times = pc.cast(seconds, pa.timestamp("s"))
        return {f"{name}_{part}": pc.cast(_PARTS[part](times), pa.int64()) for part in self.parts}


def check_names(taken: Collection[str], made: Collection[str], location: str) -> None:
    """Raise DataError when a feature that is made of a time has the name of another column."""
    if twice := sorted(set(taken) & set(made)):
        raise DataError(
            f"{location}: {', '.join(twice)}: a column and a part of a time have one name; "
            "remove or rename the column, or drop the part from ingest_examples.timestamps"
        )


def seconds(name: str, column: pa.Array, timestamp: Timestamp) -> pa.Array:
    """Convert times, dates or texts to seconds since 1970; ValueError names the row (from 1) of invalid text."""
    if pa.types.is_temporal(column.type):
        return pc.cast(pc.cast(column, pa.timestamp("s"), safe=False), pa.int64())
    values: list[int | None] = []
    for row, text in enumerate(column.to_pylist(), 1):
        try:
            values.append(None if text is None else timestamp.parse(text.decode() if isinstance(text, bytes) else text))
        except (ValueError, AttributeError, TypeError) as error:
            raise ValueError(f"row {row} of the column {name!r}: {error}") from None
    return pa.array(values, pa.int64())
