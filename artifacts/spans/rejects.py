"""Collects invalid rows, which are left out of a span, up to a maximum."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from artifacts.spans.pattern import Location
from core.errors import DataError


class Fault(NamedTuple):
    """What is wrong with a row; columns are numbered from 1, and 0 means the row itself."""

    line: int
    column: int
    reason: str


@dataclass
class Rejects:
    """Writes invalid rows to a file."""

    maximum: int
    path: Path
    """The file, with one JSON object per line."""
    count: int = field(default=0, init=False)

    def add(self, fault: Fault, source: Location) -> None:
        """Record an invalid row of a source file; DataError when there are more than the maximum."""
        where = f"{source}:{fault.line}:{fault.column}" if fault.column else f"{source}:{fault.line}"
        if self.count >= self.maximum:
            earlier = ""
            if self.maximum:
                earlier = f" ({self.maximum} rows were left out before it, as ingest_examples.max_rejects allows)"
            raise DataError(
                f"{where}: {fault.reason}{earlier}; "
                "correct the row, or allow invalid rows with ingest_examples.max_rejects"
            )
        self.count += 1
        row = {"file": str(source), "line": fault.line, "column": fault.column, "reason": fault.reason}
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row) + "\n")
