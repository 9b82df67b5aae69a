"""What a file of the prediction log has in it, in a small hidden file beside it, so that nobody has to read rows."""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from artifacts.prediction_log.requests import Requests
from core import durable
from core.errors import CorruptArtifact


@dataclass
class Summary:
    """Counts of one file, or of several."""

    rows: int = 0
    versions: Counter[int] = field(default_factory=Counter)
    """Rows by the version that answered."""
    dropped: Counter[str] = field(default_factory=Counter)
    """Rows that were answered and not logged while it was written, by reason."""

    def add(self, requests: Requests) -> None:
        """Count the requests of a record."""
        rows = sum(requests.rows)
        self.rows += rows
        if rows:
            self.versions[requests.version] += rows
        self.dropped.update(requests.dropped)

    def update(self, other: "Summary") -> None:
        """Count what another one counted."""
        self.rows += other.rows
        self.versions.update(other.versions)
        self.dropped.update(other.dropped)

    def write(self, path: Path) -> None:
        """Write it atomically."""
        content = {"rows": self.rows, "versions": self.versions, "dropped": self.dropped}
        durable.replace(path, (json.dumps(content) + "\n").encode())

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read it; OSError when there is none, CorruptArtifact for other content."""
        try:
            content = json.loads(path.read_bytes())
            versions = {int(version): int(rows) for version, rows in content["versions"].items()}
            return cls(int(content["rows"]), Counter(versions), Counter(content["dropped"]))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CorruptArtifact(
                f"{path}: wanted the counts of a file of the prediction log, got {error}; remove it: the rows are "
                "counted instead"
            ) from None
