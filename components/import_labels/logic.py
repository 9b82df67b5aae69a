"""Imports the pinned label files: checks, aggregates and measures them, decides, and writes the labeled examples."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from artifacts.labels.domain import classes as classes_of
from artifacts.labels.errors import UnknownRow
from artifacts.labels.reader import Accepted, Label, Value, accepted, check, read_strictly
from artifacts.outcomes.reader import time_us
from artifacts.schema.schema_file import read_schema
from artifacts.snapshot.files import Snapshot
from components.import_labels.config import Config
from components.import_labels.gate import decide
from components.import_labels.measures import Combined, combine, conflicts, delays
from components.import_labels.pictures import draw
from components.import_labels.reading import KnownRows, Source, known_rows
from components.import_labels.report import Agreement
from components.import_labels.writing import write
from core import pictures, user_code
from core.decision import Decision, Verdict
from core.errors import ConfigError, DataError


class Inputs(NamedTuple):
    """The references of label files and schema, and the folder of examples."""

    labels: str
    schema: str
    examples: str


class Outputs(NamedTuple):
    """The paths of the outputs."""

    labeled: str
    agreement: str
    decision: str
    pictures: str


def import_(config: Config, inputs: Inputs, outputs: Outputs) -> Decision:
    """Write what was found, the decision, its pictures, and the labeled examples.

    Raises LabelError, of a kind for each reason, for a label that cannot be used, ConfigError for a setting that does
    not fit the data, and DataError when the gate is closed: its message lists every check that did not pass.
    """
    schema = read_schema(user_code.resolve(inputs.schema))
    classes = classes_of(schema, config.label, are_classes=config.task != "regression")
    source = Source.of(Path(inputs.examples), schema, config)
    _check_splits(config, source)
    known = known_rows(source, config)
    labels, unknown = _usable(config, _read(inputs.labels), known, classes)
    combined = combine(config, labels.labels, classes)
    found = _agreement(config, (labels, unknown), combined, known, classes)
    decision = decide(config, found)
    found.write(Path(outputs.agreement))
    pictures.write(outputs.pictures, draw(found, decision))
    decision.write(outputs.decision)
    _stop_unless_open(decision)
    write(config, source, Path(outputs.labeled), combined.values)
    return decision


def _stop_unless_open(decision: Decision) -> None:
    lines = []
    for one in decision.checks:
        if one.verdict is not Verdict.PASS:
            where = f"{one.slice}: " if one.slice else ""
            lines.append(f"- {where}{one.rule}, got {one.observed}; {one.next_step}")
    if not decision.is_open:
        raise DataError("\n".join(["the imported labels are not used:", *lines]))


def _check_splits(config: Config, source: Source) -> None:
    unknown = [name for name in config.splits if name not in source.manifest.splits()]
    if unknown:
        raise ConfigError(
            f"import_labels.splits: wanted some of {', '.join(source.manifest.splits())}, got {', '.join(unknown)}"
        )


def _read(reference: str) -> list[Label]:
    found: list[Label] = []
    for file in Snapshot.read(reference).of("labels"):
        with file.open() as stream:
            found += read_strictly(stream, file.name)
    return found


def _usable(
    config: Config, labels: Sequence[Label], known: KnownRows, classes: tuple[Value, ...]
) -> tuple[Accepted, int]:
    """Return the labels that count, and how many are of unknown rows; LabelError for one that cannot be used."""
    until = time_us(config.until) if config.until else 0
    usable, unknown = [], 0
    for label in labels:
        check(label, None, classes, until)
        if label.key in known.split:
            usable.append(label)
            continue
        if config.unknown_rows == "error":
            raise UnknownRow(
                f"{label.where}: key {label.key!r:.80}: wanted a row of the window, got a key that no row has; "
                "remove the line, or set import_labels.unknown_rows: leave_out where windows move"
            )
        unknown += 1
    return accepted(usable), unknown


def _agreement(
    config: Config,
    read: tuple[Accepted, int],
    combined: Combined,
    known: KnownRows,
    classes: tuple[Value, ...],
) -> Agreement:
    labels, unknown = read
    wanted = [key for key, split in known.split.items() if split in config.splits]
    final = {key: combined.values.get(key, known.source_label.get(key)) for key in wanted}
    counts = Counter(_text(value) for value in final.values() if value is not None)
    overwritten = (known.split[key] in config.splits or key not in known.source_label for key in combined.values)
    return Agreement(
        aggregation=config.aggregation if classes else "mean",
        classes=[str(one) for one in classes],
        labels=len(labels.labels),
        corrections=labels.corrections,
        repeats=labels.repeats,
        unknown_rows=unknown,
        labeled_rows=len(combined.values),
        not_overwritten=len(combined.values) - sum(overwritten),
        rows=len(wanted),
        rows_with_label=counts.total(),
        per_class={str(one): counts[str(one)] for one in classes},
        alpha=combined.alpha,
        pairs=combined.pairs,
        annotators=combined.annotators,
        conflicts=conflicts(combined.values, known),
        delays=delays(labels.labels, known),
    )


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
