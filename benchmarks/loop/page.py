"""The page of a replay: live AUC over the months by strategy, alarms, decisions, and where the time went."""

import html
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.loop.year import Month, strategies
from core.durable import replace
from core.pictures import Markup, table
from mlops.report.chart import Chart, Mark, Point, Series

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>2013 in production, replayed</title>
<style>body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 1080px; margin: 24px auto; color: #1c2330; }}
table {{ border-collapse: collapse; font-size: 13.5px; }} td {{ vertical-align: top; }}
th, td {{ text-align: left; padding: 4px 12px 4px 0; border-bottom: 1px solid #e4e7ec; }}
.legend span {{ margin-right: 18px; }} .muted {{ color: #667085; }}</style></head><body>
<h1>2013 in production, replayed</h1>
<p>Requests with real flights to a real server, labels a week later; what the monitor found started each training.</p>
<h2>Live AUC</h2>{chart}
<h2>Month by month</h2>{months}
<h2>From labels to a new version that answers</h2>{times}
</body></html>
"""


def chart(months: Sequence[Month], bound: float | None) -> Chart:
    """Draw a line for each strategy, and a mark for each new version."""
    lines = [
        Series(name, [Point(_middle(month.month), month.auc.get(name)) for month in months])
        for name in strategies(months)
    ]
    marks = [Mark(_middle(month.month + 0.5), f"v{month.versions[-1]}") for month in months if len(month.versions) > 1]
    return Chart("Live AUC by month", lines, marks, bound)


def write(months: Sequence[Month], target: Path, bound: float | None) -> Path:
    """Write the page, and the chart alone beside it as SVG."""
    drawing = str(chart(months, bound).svg())
    replace(target, _PAGE.format(chart=drawing, months=_months(months), times=_times(months)).encode())
    alone = drawing[: drawing.index("</svg>") + len("</svg>")]
    replace(target.with_suffix(".svg"), alone.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1).encode())
    return target


def _months(months: Sequence[Month]) -> Markup:
    names = list(strategies(months))
    rows: list[list[str | float | None]] = []
    for month in months:
        decided = Markup("<br>".join(html.escape(f"{one['cause']}: {one['state']}") for one in month.decisions))
        alarms = Markup("<br>".join(map(html.escape, month.alarms)) or "none")
        answered = ", ".join(f"v{version}" for version in month.versions)
        rows.append([f"{month.month}", *(month.auc.get(name) for name in names), answered, alarms, decided])
    return table(["Month", *names, "Versions", "Alarms", "Decisions"], rows)


def _times(months: Sequence[Month]) -> Markup:
    new = [month for month in months if len(month.versions) > 1]
    parts = list(dict.fromkeys(part for month in new for part in month.seconds))
    rows: list[list[str | float | None]] = [
        [part, *(round(month.seconds.get(part, 0.0), 1) for month in new)] for part in parts
    ]
    rows.append(["sum without tasks", *(round(total(month), 1) for month in new)])
    return table(["Seconds", *(f"month {month.month}" for month in new)], rows)


def total(month: Month) -> float:
    """Return the seconds from the labels to a new version that answers; tasks are inside the run."""
    return sum(seconds for part, seconds in month.seconds.items() if not part.startswith("task "))


def _middle(month: float) -> float:
    whole = int(month)
    first = datetime(2013 + (whole - 1) // 12, (whole - 1) % 12 + 1, 1, tzinfo=UTC).timestamp()
    return first + (0.5 + month - whole) * 30.4 * 86_400
