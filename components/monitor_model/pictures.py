"""Draws what the monitor saw: the checks, each feature beside training, and the live metric over time."""

from datetime import datetime
from typing import NamedTuple

from artifacts.evaluation.columns import Values
from artifacts.feedback.findings import Findings
from artifacts.feedback.report import Feedback, VersionMetrics
from artifacts.schema import derived
from artifacts.schema.schema_file import SERVING, SchemaFile
from artifacts.statistics.differences import Dataset
from artifacts.statistics.features import by_name, missing, mostly_unique
from artifacts.statistics.histograms import histograms
from components.monitor_model.data_checks import Rows
from core import pictures
from core.decision import Decision, Verdict
from core.pictures import COLORS, Markup, Series


class Shown(NamedTuple):
    """What is drawn."""

    decision: Decision
    findings: Findings
    feedback: Feedback
    rows: Rows
    evaluated: Values
    """Scores on the evaluation's rows."""


def draw(shown: Shown, file: SchemaFile) -> Markup:
    """Draw the checks that did not pass, the live metric over time, and all features."""
    parts = [_checks(shown), _live(shown), _features(shown.rows, file)]
    return Markup("\n".join(part for part in parts if part))


def _checks(shown: Shown) -> Markup:
    checks = shown.decision.checks
    closed = sorted((one for one in checks if one.verdict is not Verdict.PASS), key=lambda one: one.verdict.value)
    window = shown.feedback.current
    version = shown.findings.champion.partition("@")[0]
    parts: list[str] = [f"Version {version}, {window.rows:,} rows answered from {window.start} to {window.end}."]
    if closed:
        rows = [[pictures.verdict(one.verdict), one.rule, one.observed, one.next_step] for one in closed]
        parts.append(pictures.table(["", "rule", "observed", "next step"], rows))
    parts.append(f"{len(checks) - len(closed)} of {len(checks)} checks passed.")
    parts += [f"Not measured: {one}." for one in shown.findings.not_measured]
    parts += [f"A random sample: {one}." for one in shown.findings.sampled]
    return pictures.fragment("Monitor", *parts)


def _live(shown: Shown) -> str:
    """Draw the first metric of the problem over time, by version, with its interval and the deployments."""
    name = next((one.rule.split()[1] for one in shown.decision.checks if one.rule.startswith("live ")), "")
    points = [one for one in shown.findings.points if name in one.metrics and one.metrics[name].value is not None]
    if not points:
        return ""
    with pictures.figure(7.0, 2.6) as figure:
        axes = figure.add_subplot()
        for index, version in enumerate(sorted({one.version for one in points})):
            mine = [(_middle(one), one.metrics[name]) for one in points if one.version == version]
            color, times = COLORS[index % len(COLORS)], [at for at, _ in mine]
            values = [one.value or 0.0 for _, one in mine]
            axes.plot(times, values, marker="o", markersize=3, color=color, label=f"version {version}")
            known = [(at, one.low, one.high) for at, one in mine if one.low is not None and one.high is not None]
            axes.vlines([one[0] for one in known], [one[1] for one in known], [one[2] for one in known], color, lw=0.8)
        first = min(_middle(one) for one in points)
        for version, text in shown.findings.deployments:
            at = _days(text)
            if at >= first:
                axes.axvline(at, color="#8a8f98", linewidth=0.8, linestyle=":")
                axes.annotate(f"v{version}", (at, 1.0), xycoords=("data", "axes fraction"), fontsize=7)
        if name in shown.findings.evaluated:
            axes.axhline(shown.findings.evaluated[name], color="#8a8f98", linewidth=0.8, linestyle="--")
        axes.set(ylabel=f"live {name}")
        axes.xaxis_date()
        axes.legend(fontsize=7)
        figure.autofmt_xdate()
    drawn = pictures.svg(figure, f"live {name} over time by version")
    note = "Bars are confidence intervals; dotted: first answer of a version; dashed: the evaluation's value."
    return pictures.fragment("Live metric", drawn, note)


def _middle(one: VersionMetrics) -> float:
    return (_days(one.window.start) + _days(one.window.end)) / 2


def _days(time: str) -> float:
    """Return a time in days since 1970, as matplotlib's axes of dates have it."""
    return datetime.fromisoformat(time).timestamp() / 86_400


def _features(rows: Rows, file: SchemaFile) -> str:
    datasets = {"training": rows.training, "before": rows.previous, "now": rows.current}
    present = {name: dataset for name, dataset in datasets.items() if dataset is not None}
    table = [
        _row(feature.name, present)
        for feature in file.schema.feature
        if SERVING not in feature.not_in_environment and not derived.is_derived(feature)
    ]
    headers = ["feature", "distribution", *(f"missing {name}" for name in present)]
    return pictures.fragment("Features", pictures.legend(list(present)), pictures.table(headers, table))


def _row(name: str, datasets: dict[str, Dataset]) -> list[str | float | None]:
    features = {key: by_name(dataset.statistics).get(name) for key, dataset in datasets.items()}
    found = {key: feature for key, feature in features.items() if feature is not None}
    drawing = pictures.muted("no single values to compare")
    is_comparable = all(one.WhichOneof("stats") != "bytes_stats" and not mostly_unique(one) for one in found.values())
    if found and is_comparable and len({one.WhichOneof("stats") for one in found.values()}) == 1:
        shares, labels = histograms(list(found.values()))
        series = [Series(key, share.tolist()) for key, share in zip(found, shares, strict=True)]
        drawing = pictures.bars(series, labels, width=260)
    missing_shares = [None if one is None else f"{missing(one):.1%}" for one in features.values()]
    return [name, drawing, *missing_shares]
