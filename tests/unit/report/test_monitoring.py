"""`monitoring.html` holds everything it shows, says the verdict first, and can be read by people who see no colours."""

import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest

from core.pictures import Markup
from mlops.report.chart import Chart, Mark, Point, Series
from mlops.report.monitoring import DecidedRun, MonitoringPage, write_monitoring

DAY = 86_400.0
CHART = Chart(
    "Live auc",
    [
        Series("version 1", [Point(day * DAY, 0.7 - day / 100, 0.6, 0.8) for day in range(5)]),
        Series("version 2 (canary)", [Point(5 * DAY, 0.7), Point(6 * DAY, None), Point(7 * DAY, 0.72)]),
    ],
    [Mark(0.0, "v1"), Mark(5 * DAY, "v2")],
    0.62,
)
RUNS = [
    DecidedRun("run-1", "training", "2026-01-01 06:00:00 UTC", "pushed", "pass", {"evaluate_model": "pass"}),
    DecidedRun("run-2", "monitoring", "2026-02-01 06:00:00 UTC", "<b>drift</b>", "fail", {"monitor_model": "fail"}),
]


ALARM = SimpleNamespace(source="m", what="auc >= 0.62: observed 0.55", next_step="Train.", verdict="fail")


def _page(**changes: object) -> MonitoringPage:
    facts: dict[str, object] = {
        "usecase": "flight_delay", "written": "2026-03-01", "verdict": "fail", "headline": "1 alarm is open",
        "in_production": "version 2 in production for 3 days", "facts": [("Next", "tomorrow")],
        "alarms": [ALARM], "runs": RUNS, "charts": [CHART],
        "pictures": [("monitor-model", Markup("<section class='card'><h3>dep_delay</h3></section>"))],
    }  # fmt: skip
    return MonitoringPage(**{**facts, **changes})  # type: ignore[arg-type]


@pytest.fixture
def html(tmp_path: Path) -> str:
    return write_monitoring(_page(), tmp_path / "monitoring.html").read_text(encoding="utf-8")


class Outline(HTMLParser):
    """What a screen reader goes by."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br", "line", "circle", "polyline"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_the_page_needs_nothing_from_outside(html: str) -> None:
    assert not re.search(r"(src|href)\s*=\s*[\"'](?!#)", html)
    assert "<script" not in html
    assert not re.search(r"https?://(?!www\.w3\.org)", html)


def test_a_screen_reader_finds_its_way(html: str) -> None:
    outline = Outline(html)
    assert outline.open == []
    assert outline.named("html")[0]["lang"] == "en"
    assert len(outline.named("h1")) == len(outline.named("main")) == 1
    assert "<title>flight_delay in production</title>" in html
    levels = [int(tag[1]) for tag, _ in outline.tags if re.fullmatch(r"h[1-6]", tag)]
    assert all(after - before <= 1 for before, after in pairwise(levels)), levels
    anchors = {one["href"] for one in outline.named("a")}
    assert anchors == {f"#{one['id']}" for one in outline.named("h2")}
    for drawing in outline.named("svg"):
        assert drawing.get("aria-hidden") == "true" or (drawing["role"], bool(drawing["aria-label"])) == ("img", True)
    assert all("scope" in one for one in outline.named("th"))


def test_the_verdict_comes_first_and_colour_is_never_alone(html: str) -> None:
    assert html.index("1 alarm is open") < html.index("auc &gt;= 0.62") < html.index('id="decisions"')
    for symbol, word in (("✓", "pass"), ("✗", "fail")):
        assert re.search(rf'aria-hidden="true">{symbol}</span><span class="sr">{word}<', html)


def test_what_a_run_wrote_cannot_become_markup(html: str) -> None:
    assert "<b>drift</b>" not in html
    assert "&lt;b&gt;drift&lt;/b&gt;" in html


def test_a_page_of_nothing_names_what_is_missing(tmp_path: Path) -> None:
    page = _page(alarms=(), runs=(), charts=(), pictures=(), verdict="undecided", facts=())
    html = write_monitoring(page, tmp_path / "m.html").read_text(encoding="utf-8")
    for wanted in ("No alarm is open", "No run has ended yet", "No live metric yet", "mlops monitor flight_delay"):
        assert wanted in html
    assert Outline(html).open == []


def test_a_chart_shows_every_measurement_the_bound_and_the_deployments() -> None:
    drawing = CHART.svg()
    assert drawing.count("<circle") == 7, "one that could not be computed has none"
    assert drawing.count("<polyline") == 3, "and breaks the line"
    assert "bound 0.62" in drawing and ">v2<" in drawing and "version 2 (canary)" in drawing
    assert 'aria-label="Live auc: version 1 0.66 at last, version 2 (canary) 0.72 at last"' in drawing
    numbers = [float(one) for one in re.findall(r'(?:cx|cy|x1|x2|y1|y2)="([-\d.]+)"', drawing)]
    assert all(-1 <= number <= 960 for number in numbers)


@pytest.mark.parametrize("points", [[], [Point(0.0, None)], [Point(0.0, float("nan"))]])
def test_a_chart_of_nothing_is_a_sentence(points: list[Point]) -> None:
    assert Chart("Live auc", [Series("version 1", points)]).svg() == '<p class="muted">No measurement yet.</p>'


def test_one_measurement_alone_is_drawn() -> None:
    drawing = Chart("Live auc", [Series("version 1", [Point(5.0, 0.7)])]).svg()
    assert drawing.count("<circle") == 1
    assert "nan" not in drawing
