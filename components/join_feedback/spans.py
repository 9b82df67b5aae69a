"""Writes the labeled spans whose labels are due."""

from pathlib import Path

from artifacts.feedback import report
from artifacts.feedback.report import LabeledSpan
from artifacts.outcomes import reader
from artifacts.spans.pattern import label as span_label
from artifacts.spans.pattern import parse_span
from components.join_feedback.config import Config
from components.join_feedback.reading import DAY_US, Times
from components.join_feedback.rows import LabeledRows
from components.join_feedback.table import Table

_LABELED = (
    "SELECT r.example, a.label FROM answered a JOIN record r ON r.rowid = a.id "
    "WHERE a.state = 'labeled' AND a.time >= ? AND a.time < ? ORDER BY a.time, a.key"
)
_COUNTS = "SELECT time / ? AS day, count(*), sum(state = 'labeled') FROM answered GROUP BY day"
_UNITS = {"day": "{YYYY}-{MM}-{DD}", "month": "{YYYY}-{MM}"}


def pattern(config: Config) -> str:
    """Return the pattern of the labeled spans below the artifact."""
    return f"{report.SPANS}/{_UNITS[config.span]}.{config.format}"


def labeled_spans(config: Config, table: Table, times: Times, folder: Path, writer: LabeledRows) -> list[LabeledSpan]:
    """Write each span whose labels are due, unless it was not read from its start; one row per key, oldest first."""
    counts: dict[int, list[int]] = {}
    for day, rows, labeled in table.select(_COUNTS, DAY_US):
        count = counts.setdefault(_span(config, int(day)), [0, 0])
        count[0], count[1] = count[0] + int(rows), count[1] + int(labeled)
    found = []
    for span, (rows, labeled) in sorted(counts.items()):
        name, start, end = span_label(_UNITS[config.span], span), _start(config, span), _start(config, span + 1)
        file = ""
        if start > times.read_from and end <= times.due and labeled:
            file = f"{report.SPANS}/{name}.{config.format}"
            writer.write(folder / file, ((row[0], row[1]) for row in table.select(_LABELED, start, end)), config.format)
        found.append(LabeledSpan(span=name, rows=rows, labeled=labeled, file=file))
    return found


def _span(config: Config, day: int) -> int:
    """Return the span of a day since 1970-01-01."""
    if config.span == "day":
        return day
    return parse_span(f"/{_UNITS['month']}", span_label(_UNITS["day"], day)[:7])


def _start(config: Config, span: int) -> int:
    """Return when a span begins."""
    if config.span == "day":
        return span * DAY_US
    return reader.time_us(f"{span_label(_UNITS['month'], span)}-01T00:00:00Z")
