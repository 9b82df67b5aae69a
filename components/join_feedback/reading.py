"""Reads the pinned prediction log and outcomes into the table that joins them, and counts every record and line."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from tensorflow_metadata.proto.v0 import schema_pb2

from artifacts.examples import message, tfrecord
from artifacts.outcomes import reader
from artifacts.outcomes.reader import Fault, Outcome
from artifacts.prediction_log import names
from artifacts.prediction_log.reader import parse
from artifacts.snapshot.files import PinnedFile, Snapshot
from components.join_feedback.table import Prediction, Table
from core.errors import ConfigError, CorruptArtifact

DAY_US = 86_400_000_000
_MAX_RECORD_BYTES = 1 << 26
_TYPES = {schema_pb2.INT: int, schema_pb2.FLOAT: float, schema_pb2.BYTES: str}


@dataclass
class Times:
    """Instants in microseconds since 1970."""

    as_of: int
    window: int
    maturity: int
    windows: int

    @property
    def read_from(self) -> int:
        """Predictions before it are not read."""
        return self.as_of - self.windows * self.window - self.maturity

    @property
    def due(self) -> int:
        """Labels of predictions up to it are due."""
        return self.as_of - self.maturity


@dataclass
class Problems:
    """Lines and keys that could not be used: all are counted, the first are kept."""

    most: int
    kept: list[dict[str, Any]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, kind: str, where: str, reason: str) -> None:
        """Count a problem, and keep it unless there are enough."""
        self.counts[kind] += 1
        if len(self.kept) < self.most:
            self.kept.append({"kind": kind, "where": where, "reason": reason})


def label_type(schema: schema_pb2.Schema, label: str) -> type:
    """Return the Python type of a label; ConfigError when the schema does not have it."""
    for feature in schema.feature:
        if feature.name == label and feature.type in _TYPES:
            return _TYPES[feature.type]
    raise ConfigError(f"config.yaml: problem.label: wanted a feature of the schema, got {label!r}")


def read_log(snapshot: Snapshot, table: Table, times: Times) -> Counter[str]:
    """Keep the rows that were answered in the time that is read."""
    counts: Counter[str] = Counter(files=0, torn=0, records=0, duplicates=0, outside=0, rows=0)
    for file in snapshot.of("log"):
        counts["files"] += 1
        try:
            for where, record in _records(file):
                counts["records"] += 1
                counts[_add(record, where, table, times)] += 1
        except tfrecord.TornRecord:
            counts["torn"] += 1
    return counts


def _records(file: PinnedFile) -> Iterator[tuple[str, bytes]]:
    with file.open() as stream:
        for offset, record in tfrecord.read(stream, file.location, _MAX_RECORD_BYTES):
            yield f"{file.location}: offset {offset}", record


def _add(record: bytes, where: str, table: Table, times: Times) -> str:
    try:
        row = parse(record)
    except CorruptArtifact as error:
        raise CorruptArtifact(f"{where}: {error}") from None
    if not times.read_from < row.time_us <= times.as_of:
        return "outside"
    example = message.example_class().FromString(record)
    for name in [name for name in example.context.feature if name.startswith(names.PREFIX)]:
        del example.context.feature[name]
    scores = np.asarray(row.outputs.get(names.PREDICTION.removeprefix(names.PREFIX), ()), np.float32).tobytes()
    raw = example.SerializeToString(deterministic=True)
    is_new = table.add_prediction(
        Prediction(row.key, row.version, row.role, row.time_us, row.request_id, row.row, scores, raw)
    )
    return "rows" if is_new else "duplicates"


def read_outcomes(snapshot: Snapshot, table: Table, wanted: type, times: Times, problems: Problems) -> Counter[str]:
    """Keep the outcomes that were known by then; every line is counted once."""
    counts: Counter[str] = Counter(lines=0, kept=0, duplicates=0, not_yet=0, malformed=0, torn=0)
    for found in _lines(snapshot):
        counts["lines"] += 1
        outcome = _typed(found, wanted) if isinstance(found, Outcome) else found
        if isinstance(outcome, Fault):
            kind = "torn" if outcome.is_torn else "malformed"
            counts[kind] += 1
            problems.add(kind, outcome.where, outcome.reason)
        elif outcome.time_us > times.as_of:
            counts["not_yet"] += 1
        else:
            counts["kept" if table.add_outcome(outcome) else "duplicates"] += 1
    return counts


def _lines(snapshot: Snapshot) -> Iterator[Outcome | Fault]:
    for file in snapshot.of("outcomes"):
        with file.open() as stream:
            yield from reader.read(stream, file.name)


def _typed(outcome: Outcome, wanted: type) -> Outcome | Fault:
    """Return an outcome with its label in the schema's type, so that equal labels are equal."""
    label = outcome.label
    if wanted is float and isinstance(label, int):
        return outcome._replace(label=float(label))
    if wanted is int and isinstance(label, float) and label.is_integer():
        return outcome._replace(label=int(label))
    if isinstance(label, wanted) and not (wanted is int and abs(int(label)) >= 2**63):
        return outcome
    kinds = {int: "a whole number", float: "a number", str: "text"}
    return Fault(outcome.where, f"label: wanted {kinds[wanted]}, as the schema has it, got {label!r:.80}")
