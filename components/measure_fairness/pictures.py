"""Draws a measurement: the rules, the rates of each group, the gaps at every threshold, and the swaps."""

import html
from collections.abc import Iterator
from pathlib import Path

from artifacts.fairness import charts
from artifacts.fairness.grouped_rows import GroupedRows
from artifacts.fairness.measurement import Grouping, Measurement
from artifacts.fairness.names import RATES
from components.measure_fairness.config import Config
from core import pictures
from core.decision import Decision
from core.pictures import Markup

Row = list[str | float | None]


def draw(config: Config, measured: Measurement, scored: GroupedRows, decision: Decision, path: Path | str) -> None:
    """Write the pictures of a measurement."""
    parts: list[str] = [
        pictures.verdict(decision.verdict.value),
        Markup(f"<p>{pictures.muted(decision.summary)}</p>"),
        _checks(decision),
        charts.explained(),
    ]
    for grouping in measured.groupings:
        parts += _grouping(config, measured, scored, grouping)
    if measured.swapped:
        parts.append(_swaps(measured))
    parts.append(Markup(f"<p>{pictures.muted(f'intervals of {config.confidence:.0%}: {measured.intervals}')}</p>"))
    pictures.write(path, pictures.fragment("Fairness", *parts))


def _checks(decision: Decision) -> Markup:
    rows: list[Row] = [
        [pictures.verdict(check.verdict.value), check.rule, check.slice, check.observed, check.next_step]
        for check in decision.checks
    ]
    return pictures.table(["verdict", "rule", "group", "observed", "next step"], rows)


def _grouping(config: Config, measured: Measurement, scored: GroupedRows, grouping: Grouping) -> Iterator[str]:
    yield Markup(f"<h3>{html.escape(grouping.name)}</h3>")
    if grouping.groups:
        numbered = scored.grouping(grouping.features, config.max_groups)
        yield charts.over_thresholds(charts.Drawn(scored.rows, numbered, config.confidence, config.all_thresholds))
        yield charts.at_threshold(grouping, config.decision_threshold)
    rows: list[Row] = [
        [
            group.name,
            group.rows,
            group.positives / group.rows,
            str(group.auc),
            str(group.calibration),
            pictures.muted("too small to decide by") if group.rows < config.min_group_rows else "",
        ]
        for group in grouping.groups
    ]
    yield pictures.table([grouping.name, "rows", "positive", "AUC", "calibration", ""], rows)
    if grouping.without:
        yield Markup(f"<p>{pictures.muted(f'{grouping.without} rows lack {grouping.name}')}</p>")
    yield _gaps(config, measured, grouping)


def _gaps(config: Config, measured: Measurement, grouping: Grouping) -> Markup:
    """Tabulate the gap of each rate at each threshold; those that a rule is about are bold."""
    ruled = {
        (rule.rate, config.threshold(rule))
        for rule in config.gaps
        if frozenset(grouping.features) in map(frozenset, rule.groups)
    }
    of_grouping = [gap for gap in measured.gaps if gap.features == grouping.features]
    rows: list[Row] = []
    for rate in RATES:
        gaps = [gap for gap in of_grouping if gap.rate == rate]
        cells = [pictures.bold(str(gap)) if (gap.rate, gap.threshold) in ruled else str(gap) for gap in gaps]
        rows.append([rate.replace("_", " "), *(cells if len(cells) > 1 else cells * len(config.all_thresholds))])
    return pictures.table([f"gap by {grouping.name}", *(f"at {one:g}" for one in config.all_thresholds)], rows)


def _swaps(measured: Measurement) -> Markup:
    rows: list[Row] = [
        [
            one.feature,
            "yes" if one.is_input else "no",
            one.changed.rows,
            str(one.changed),
            one.mean_change,
            one.largest_change,
        ]
        for one in measured.swapped
    ]
    headers = ["swapped, nothing else", "is an input", "rows", "predictions that change", "mean change", "largest"]
    return pictures.table(headers, rows)
