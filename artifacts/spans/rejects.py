"""Rows that are left out of a span, with their reasons, up to a cap."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from artifacts.spans.pattern import Place
from core.errors import DataError


class Fault(NamedTuple):
    """What is wrong with a row; the column counts from 1, 0 is the row as a whole."""

    line: int
    column: int
    reason: str


@dataclass
class Rejects:
    """Rows that are left out, listed in a file."""

    cap: int
    path: Path
    """The list, one JSON object a line."""
    count: int = field(default=0, init=False)

    def add(self, fault: Fault, source: Place) -> None:
        """Leave a row of a source file out; DataError when the cap is reached."""
        where = f"{source}:{fault.line}:{fault.column}" if fault.column else f"{source}:{fault.line}"
        if self.count >= self.cap:
            more = (
                f" ({self.cap} rows were left out before it, as ingest_examples.max_rejects allows)" if self.cap else ""
            )
            raise DataError(
                f"{where}: {fault.reason}{more}; "
                "correct the row, or allow rows to be left out by ingest_examples.max_rejects"
            )
        self.count += 1
        row = {"file": str(source), "line": fault.line, "column": fault.column, "reason": fault.reason}
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row) + "\n")
