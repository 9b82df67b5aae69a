"""Rows for the tests of labeling, and a queue of them."""

from pathlib import Path

from artifacts.labels.reader import Label
from artifacts.outcomes.reader import time_us
from core.store import Store
from mlops.actions.labeling.queue import Queue, QueuedRow
from mlops.actions.labeling.rows import Row, Rows

NOON = time_us("2026-11-01T12:00:00Z")
AFTER = "2026-11-02T00:00:00Z"


def rows(*texts: str, labels: tuple[str | None, ...] = ()) -> Rows:
    """Return a train row for each text, `k0`, `k1`, ..., and an eval row, `held`."""
    known = [*labels, *[None] * (len(texts) - len(labels))]
    train = [Row(f"k{place}", "train", {"text": text}, known[place]) for place, text in enumerate(texts)]
    held = Row("held", "eval", {"text": "an eval row"}, "ham")
    return Rows("spam", "label", ("ham", "spam"), (*train, held))


def queue(of: Rows, overlap: int = 1) -> Queue:
    """Return a queue of all train rows."""
    queued = [QueuedRow(key=row.key, features=row.features) for row in of.rows if row.split == "train"]
    return Queue(
        usecase=of.usecase,
        label=of.label,
        classes=of.classes,
        strategy="margin",
        overlap=overlap,
        rows=tuple(queued),
    )


def label(key: str, value: str = "spam", annotator: str = "ann", time: int = NOON) -> Label:
    """Return a label."""
    return Label(key, value, annotator, time, "label-studio", "f:1")


def store(root: Path) -> Store:
    """Return a store on this machine."""
    return Store(root)
