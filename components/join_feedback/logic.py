"""Joins the pinned prediction log and outcomes as they were known at an instant, and writes what became known."""

import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pyarrow_hotfix  # noqa: F401
import numpy as np

from artifacts.feedback import report
from artifacts.feedback.report import Feedback, VersionMetrics, Window
from artifacts.outcomes import reader
from artifacts.outcomes.reader import written
from artifacts.prediction_log import names
from artifacts.schema.schema_file import read_schema
from artifacts.snapshot.files import Snapshot
from components.join_feedback.config import Config
from components.join_feedback.delay import delay
from components.join_feedback.live import Live
from components.join_feedback.pictures import draw
from components.join_feedback.reading import DAY_US, Problems, Times, label_type, read_log, read_outcomes
from components.join_feedback.rows import LabeledRows, write_windows
from components.join_feedback.spans import labeled_spans, pattern
from components.join_feedback.table import Table
from core import digest, pictures, user_code

_WINDOW = (
    "SELECT r.example FROM answered a JOIN record r ON r.rowid = a.id "
    "WHERE a.time > ? AND a.time <= ? ORDER BY a.time, a.key"
)
_SCORES = "SELECT scores FROM prediction WHERE version = ? AND role <> ? AND time > ? ORDER BY time, key"


class Inputs(NamedTuple):
    """The inputs of the component."""

    name: str
    snapshot: str
    as_of: str
    champion: str
    registry: str
    schema: str


class Outputs(NamedTuple):
    """The paths of the outputs."""

    examples: str
    feedback: str
    pictures: str


@dataclass(frozen=True)
class _Counts:
    """What was read, by what became of it."""

    predictions: Counter[str]
    outcomes: Counter[str]
    keys: Counter[str]


def join(config: Config, inputs: Inputs, outputs: Outputs) -> Feedback:
    """Write the examples of both windows, the feedback and its pictures.

    Raises DataError when a pinned file changed, CorruptArtifact for a damaged file of the log, ConfigError for a label
    that the schema does not have.
    """
    schema = read_schema(user_code.resolve(inputs.schema))
    as_of = reader.time_us(inputs.as_of)
    times = Times(as_of, round(config.window_days * DAY_US), round(config.maturity_days * DAY_US), config.windows)
    snapshot = Snapshot.read(inputs.snapshot)
    folder = Path(outputs.feedback)
    folder.mkdir(parents=True, exist_ok=True)
    problems = Problems(config.max_problems)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".join-") as scratch, Table(Path(scratch)) as table:
        predictions = read_log(snapshot, table, times)
        outcomes = read_outcomes(snapshot, table, label_type(schema, config.label), times, problems)
        counts = _Counts(predictions, outcomes, table.join(times.due))
        spans = labeled_spans(config, table, times, folder, LabeledRows(schema, config.label))
        keys = _keys(counts.keys, table, times, problems)
        live = Live(config, table, inputs.name, inputs.registry)
        feedback = Feedback(
            model=inputs.name,
            champion=inputs.champion,
            as_of=inputs.as_of,
            read_from=written(times.read_from),
            predictions=dict(predictions) | _predictions(table),
            outcomes=dict(outcomes),
            keys=keys,
            labels=_labels(table),
            delay=delay(table, times.as_of),
            spans=spans,
            pattern=pattern(config),
            current=_window(table, times.as_of - times.window, times.as_of),
            previous=_window(table, times.as_of - 2 * times.window, times.as_of - times.window),
            mature=_window(table, times.due - times.window, times.due),
            versions=_metrics(live, table, (times.due - times.window, times.due)),
            points=[one for part in _parts(config, times) for one in _metrics(live, table, part, shadow=False)],
            deployments=_deployments(table),
        )
        _write_examples(Path(outputs.examples), table, times, inputs)
        _write_scores(folder, table, times)
    _copy_server_metrics(snapshot, folder)
    report.write_problems(folder, problems.kept)
    feedback.write(folder)
    pictures.write(outputs.pictures, draw(feedback, problems.kept))
    return feedback


def _predictions(table: Table) -> dict[str, int]:
    """Count the rows that are left out because the same version had answered the same key before."""
    kept = table.count("SELECT count(*) FROM prediction")
    answered = table.count("SELECT count(*) FROM answered")
    return {"repeated_keys": table.count("SELECT count(*) FROM record") - kept, "answered_keys": answered}


def _keys(counts: Counter[str], table: Table, times: Times, problems: Problems) -> dict[str, int]:
    """Count the keys with an outcome by what became of them, and list those that could not be used."""
    unknown = "FROM resolved r WHERE NOT EXISTS (SELECT 1 FROM record p WHERE p.key = r.key)"
    earlier = table.count(f"SELECT count(*) {unknown} AND r.time <= ?", times.read_from)
    without = table.count(f"SELECT count(*) {unknown}")
    for key, place in table.select(f"SELECT r.key, r.place {unknown} AND r.time > ? ORDER BY r.key", times.read_from):
        reason = f"no prediction with this key was logged after {written(times.read_from)}"
        problems.add("unknown", str(place), f"key {key!r}: {reason}")
    for key, place in table.select("SELECT key, place FROM resolved WHERE state = 'conflicting' ORDER BY key"):
        problems.add("conflicting", str(place), f"key {key!r}: different labels at the same time")
    before = "SELECT DISTINCT j.key, r.place FROM joined j JOIN resolved r ON r.key = j.key "
    for key, place in table.select(f"{before} WHERE j.state = 'before_prediction' ORDER BY j.key"):
        problems.add("before_prediction", str(place), f"key {key!r}: its label was known before it was predicted")
    return {
        "known": counts.total(),
        "joined": counts.total() - without,
        "unknown": without - earlier,
        "earlier": earlier,
        "corrected": counts["corrected"],
        "conflicting": counts["conflicting"],
    }


def _labels(table: Table) -> dict[str, int]:
    states = dict(table.select("SELECT state, count(*) FROM answered GROUP BY state"))
    names_ = ("labeled", "waiting", "overdue", "conflicting", "before_prediction")
    return {"rows": sum(states.values())} | {name: int(states.get(name, 0)) for name in names_}


def _metrics(live: Live, table: Table, part: tuple[int, int], *, shadow: bool = True) -> list[VersionMetrics]:
    """Return the live metrics of each version that answered in a part of the time."""
    query = "SELECT DISTINCT version, role FROM joined WHERE time > ? AND time <= ? ORDER BY version, role"
    versions = [(int(version), str(role)) for version, role in table.select(query, *part)]
    return [live.metrics(version, role, *part) for version, role in versions if shadow or role != names.SHADOW]


def _deployments(table: Table) -> list[tuple[int, str]]:
    """Return each version with the time of its first answer as the champion."""
    query = "SELECT version, min(time) AS at FROM record WHERE role = ? GROUP BY version ORDER BY at, version"
    return [(int(version), written(int(at))) for version, at in table.select(query, names.CHAMPION)]


def _parts(config: Config, times: Times) -> list[tuple[int, int]]:
    """Divide the time whose labels are due into parts of equal length, oldest first."""
    length = times.window // config.points
    first = times.due - times.windows * times.window
    return [(start, start + length) for start in range(first, times.due - length + 1, length)]


def _window(table: Table, start: int, end: int) -> Window:
    rows = table.count("SELECT count(*) FROM answered WHERE time > ? AND time <= ?", start, end)
    return Window(start=written(start), end=written(end), rows=rows)


def _write_examples(folder: Path, table: Table, times: Times, inputs: Inputs) -> None:
    middle = times.as_of - times.window
    windows = {report.PREVIOUS: (middle - times.window, middle), report.CURRENT: (middle, times.as_of)}
    rows = {name: (row[0] for row in table.select(_WINDOW, *bounds)) for name, bounds in windows.items()}
    write_windows(folder, rows, digest.of_bytes(f"{inputs.snapshot} {inputs.as_of}".encode()))


def _write_scores(folder: Path, table: Table, times: Times) -> None:
    """Write what each version answered clients in the current window, float32 [rows, outputs]."""
    query = "SELECT DISTINCT version FROM prediction WHERE role <> ? AND time > ? ORDER BY version"
    since = times.as_of - times.window
    for (version,) in list(table.select(query, names.SHADOW, since)):
        scores = table.select(_SCORES, version, names.SHADOW, since)
        rows = [np.frombuffer(row[0], np.float32) for row in scores]
        path = report.scores_file(folder, int(version))
        path.parent.mkdir(exist_ok=True)
        if len({row.size for row in rows}) == 1:
            np.save(path, np.stack(rows), allow_pickle=False)


def _copy_server_metrics(snapshot: Snapshot, folder: Path) -> None:
    for file in snapshot.of("metrics"):
        with file.open() as stream:
            (folder / report.SERVER_METRICS).write_bytes(stream.read())
