"""`feedback.json`: what became known about logged predictions up to an instant."""

import json
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core import durable
from core.errors import CorruptArtifact

FILE = "feedback.json"
PROBLEMS = "problems.jsonl"
"""The first lines and keys that could not be used, with the reason."""
SPANS = "spans"
"""Folder of the labeled spans, which `ingest_examples` reads as a source."""
SERVER_METRICS = "server.prom"
"""The server's metrics in Prometheus' text format; absent when none were given."""
CURRENT, PREVIOUS = "current", "previous"
"""The splits of the rows that were answered in the newest window, and in the one before it."""


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Window(_Facts):
    """A stretch of time: after `start`, up to and with `end`, both RFC 3339."""

    start: str
    end: str
    rows: int = 0
    """Answered rows in it."""


class Metric(_Facts):
    """A metric on live rows, with its two-sided confidence interval; null where it is undefined."""

    value: float | None
    low: float | None = None
    high: float | None = None


class VersionMetrics(_Facts):
    """The live metrics of a model version in a window."""

    version: int
    role: str
    window: Window
    """Its rows are the labeled ones."""
    metrics: dict[str, Metric] = Field(default_factory=dict)
    fault: str = ""
    """Why nothing could be measured; empty when it could."""


class Delay(_Facts):
    """How long labels took; days."""

    quantiles: dict[str, float] = Field(default_factory=dict)
    """Share of the labels that are known -> days after which they were."""
    curve: list[tuple[float, float, int]] = Field(default_factory=list)
    """(days, share of labels known by then, rows): only of rows that are at least so old, so that young rows do not
    make labels look late."""


class LabeledSpan(_Facts):
    """A span of labeled rows that was written, or why it was not."""

    span: str
    """Its day or month."""
    rows: int
    labeled: int
    file: str = ""
    """Path below the artifact; empty when it was not written."""


class Feedback(_Facts):
    """Everything that became known about a model's logged predictions up to `as_of`."""

    version: Literal[1] = 1
    model: str
    champion: str
    """The version in production, as `<version>@<digest>`."""
    as_of: str
    read_from: str
    """Predictions before it were not read."""
    predictions: dict[str, int]
    """What was read of the log, by kind."""
    outcomes: dict[str, int]
    """Lines of outcomes, by what became of them; they add up to `lines`."""
    keys: dict[str, int]
    """Keys with an outcome, by what became of them; they add up to `known`."""
    labels: dict[str, int]
    """Answered rows (one per key) by their label's state; they add up to `rows`."""
    delay: Delay
    spans: list[LabeledSpan]
    pattern: str
    """Pattern of the labeled spans below the artifact."""
    current: Window
    previous: Window
    mature: Window
    """The newest window whose labels are due."""
    versions: list[VersionMetrics]
    """The live metrics in the mature window."""
    points: list[VersionMetrics]
    """The live metrics over time, oldest first."""
    deployments: list[tuple[int, str]]
    """Version and time of its first answer to a client, in the order of time."""

    def write(self, folder: Path) -> None:
        """Write it atomically."""
        durable.replace(folder / FILE, (self.model_dump_json(indent=2) + "\n").encode())

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read it; CorruptArtifact when it is missing or has other content."""
        path = folder / FILE
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise CorruptArtifact(f"{path}: wanted the output of join_feedback, got {error}; run it again") from error


def scores_file(folder: Path, version: int) -> Path:
    """Return the file with what a version answered clients in the current window; absent when it answered nothing."""
    return folder / "scores" / f"{version}.npy"


def write_problems(folder: Path, problems: list[dict[str, Any]]) -> None:
    """Write one problem per line."""
    text = "".join(json.dumps(problem) + "\n" for problem in problems)
    durable.replace(folder / PROBLEMS, text.encode())
