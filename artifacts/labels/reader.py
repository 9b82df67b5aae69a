"""Reads label files line by line; the labels that count are those known at an instant."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, NamedTuple

from artifacts.labels.errors import LabelAfterCutoff, LabelOutsideDomain, MalformedLabel, RepeatedAnnotator, UnknownRow
from artifacts.outcomes.reader import Fault, label_fault, parsed_lines, time_us, written

Value = str | int | float


class Label(NamedTuple):
    """A label that an annotator gave a row."""

    key: str
    label: Value
    annotator: str
    time_us: int
    """When, in microseconds since 1970, UTC."""
    source: str
    """Where it comes from, such as `serve`, `label-studio` or the name of a process."""
    where: str = ""
    """`file:line`."""

    def line(self) -> dict[str, Any]:
        """Return the object that a label file has for it."""
        return {
            "key": self.key,
            "label": self.label,
            "annotator": self.annotator,
            "time": written(self.time_us),
            "source": self.source,
        }

    def as_json(self) -> bytes:
        """Return its line of a label file."""
        return f"{json.dumps(self.line(), allow_nan=False, ensure_ascii=False)}\n".encode()


def read(stream: BinaryIO, name: str) -> Iterator[Label | Fault]:
    """Yield a label or a fault for each line that is not empty, as `artifacts.outcomes.reader.read` does."""
    return parsed_lines(stream, name, parse)


def read_strictly(stream: BinaryIO, name: str) -> Iterator[Label]:
    """Yield the labels of a file, but no torn last line, whose writer has not finished it; MalformedLabel otherwise."""
    for found in read(stream, name):
        if isinstance(found, Label):
            yield found
        elif not found.is_torn:
            raise MalformedLabel(f"{found.where}: {found.reason}; correct or remove the line")


def parse(content: dict[str, Any], where: str) -> Label | Fault:
    """Return the label of a line's object, or what is wrong with it."""
    key, label, annotator = content.get("key"), content.get("label"), content.get("annotator")
    source = content.get("source", "")
    for name, text in (("key", key), ("annotator", annotator)):
        if not isinstance(text, str) or not text:
            return Fault(where, f"{name}: wanted text, got {text!r:.80}")
    if not isinstance(source, str):
        return Fault(where, f"source: wanted text, got {source!r:.80}")
    if fault := label_fault(label):
        return Fault(where, fault)
    assert isinstance(key, str) and isinstance(annotator, str) and isinstance(label, str | int | float)
    try:
        return Label(key, label, annotator, time_us(content.get("time")), source, where)
    except (ValueError, OverflowError) as error:
        return Fault(where, f"time: {error}")


class Accepted(NamedTuple):
    """The labels that count."""

    labels: list[Label]
    """One for each annotator and row, the latest, in the order of key and annotator."""
    corrections: int
    """How many labels a later one of the same annotator replaced."""
    repeats: int
    """How many lines repeat another."""


def check(label: Label, keys: Iterable[str] | None = None, classes: Iterable[Value] = (), until: int = 0) -> None:
    """Raise UnknownRow, LabelOutsideDomain or LabelAfterCutoff for a label that cannot be used.

    `keys` are those of all rows, None where they are unknown; no `classes` allow any label, `until` 0 any time.
    Sets make it fast.
    """
    if keys is not None and label.key not in keys:
        raise UnknownRow(
            f"{label.where}: key {label.key!r:.80}: wanted the key of a row of the data, got one that no row has; "
            "remove the line, or read the span that has the row"
        )
    allowed = list(classes)
    if allowed and not any(
        label.label == one and isinstance(one, str) == isinstance(label.label, str) for one in allowed
    ):
        raise LabelOutsideDomain(
            f"{label.where}: label of {label.key!r:.80}: wanted one of {', '.join(map(repr, allowed))}, "
            f"got {label.label!r:.80}; correct the line, or add the class to the schema"
        )
    if until and label.time_us > until:
        raise LabelAfterCutoff(
            f"{label.where}: time of {label.key!r:.80}: wanted at most {written(until)}, got {written(label.time_us)}; "
            "correct the line, or choose a later cutoff"
        )


def accepted(labels: Iterable[Label]) -> Accepted:
    """Return the latest label of each annotator for each row, whatever the order of the lines.

    Raises RepeatedAnnotator for two labels of an annotator that differ at the same instant.
    """
    latest: dict[tuple[str, str], Label] = {}
    corrections = repeats = 0
    for label in sorted(labels, key=_order):
        place = (label.key, label.annotator)
        before = latest.get(place)
        latest[place] = label
        if before is None:
            continue
        if before.label == label.label:
            repeats += 1
        elif before.time_us == label.time_us:
            raise RepeatedAnnotator(
                f"{label.where}: {label.annotator!r} labels {label.key!r:.80} with {label.label!r:.80}, at the same "
                f"time as {before.where} with {before.label!r:.80}; remove one of the lines"
            )
        else:
            corrections += 1
    return Accepted(list(latest.values()), corrections, repeats)


def _order(label: Label) -> tuple[str | int, ...]:
    return label.key, label.annotator, label.time_us, str(label.label), label.source, label.where
