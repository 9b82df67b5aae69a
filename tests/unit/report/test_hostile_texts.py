"""Whatever a feature, a slice or a model is called, no page runs it."""

import ast
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from core import pictures
from core.pictures import Markup, Series
from mlops.report.chart import Chart, Point
from mlops.report.chart import Series as Line
from mlops.report.render import TEMPLATES, environment

ROOT = Path(__file__).resolve().parents[3]
ROOMS = ("adapters", "artifacts", "components", "core", "localrun/src", "mlops", "problems", "serving", "training")
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>&lt;b&gt;"
NOTHING_RUNS = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


class Tags(HTMLParser):
    """The tags and attributes that a browser would see."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def drawn() -> Markup:
    with pictures.figure(2.0, 1.0) as figure:
        axes = figure.subplots()
        axes.set_title(HOSTILE.replace("$", ""))
        axes.plot([0, 1], [0, 1], label=HOSTILE)
        axes.legend()
        return pictures.svg(figure, HOSTILE)


PIECES = {
    "fragment": lambda: pictures.fragment(HOSTILE, HOSTILE),
    "table": lambda: pictures.table([HOSTILE], [[HOSTILE, 1.0, None]]),
    "verdict": lambda: pictures.verdict(HOSTILE),
    "bold": lambda: pictures.bold(HOSTILE),
    "muted": lambda: pictures.muted(HOSTILE),
    "bars": lambda: pictures.bars([Series(HOSTILE, [0.5, 0.5])], [HOSTILE, HOSTILE]),
    "legend": lambda: pictures.legend([HOSTILE]),
    "svg": drawn,
}


@pytest.mark.parametrize("name", PIECES)
def test_every_piece_of_a_picture_escapes_what_it_is_given(name: str) -> None:
    seen = Tags(str(PIECES[name]()))
    assert not seen.tags & {"script", "img", "b"} - ({"b"} if name == "bold" else set())
    assert not [attribute for attribute in seen.attributes if attribute.startswith("on")]
    if name != "svg":
        assert HOSTILE in "".join(seen.texts)


def test_a_chart_escapes_what_it_is_given() -> None:
    points = (Point(1357000000.0, 0.5), Point(1359000000.0, 0.6))
    seen = Tags(str(Chart(HOSTILE, (Line(HOSTILE, points),)).svg()))
    assert not seen.tags & {"script", "img"}
    assert not [attribute for attribute in seen.attributes if attribute.startswith("on")]


def test_every_page_asks_the_browser_to_run_nothing() -> None:
    pages = sorted(path for path in TEMPLATES.glob("*.j2") if "<!doctype html>" in path.read_text(encoding="utf-8"))
    assert len(pages) >= 5
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert text.index('{% include "policy.html" %}') < text.index("<title>"), page.name
        assert not re.search(r"<script|\son[a-z]+=|autoescape", text), page.name
        put_in = set(re.findall(r"\{\{([^}]*)\|\s*safe\s*\}\}", text))
        assert put_in <= {" fragment", " chart.svg()", " html"}, f"{page.name}: only pictures are put in as they are"
    assert NOTHING_RUNS in environment().get_template("policy.html").render()
    assert environment().autoescape
    runner = (ROOT / "localrun" / "src" / "localrun" / "display" / "page.py").read_text(encoding="utf-8")
    assert NOTHING_RUNS in ast.literal_eval(runner.partition("_NO_SCRIPTS = ")[2].partition('"""')[0])


def _interpolations(tree: ast.AST) -> list[ast.FormattedValue]:
    """Return what f-strings with a tag put into it without a format."""
    return [
        value
        for text in ast.walk(tree)
        if isinstance(text, ast.JoinedStr)
        and any("<" in str(part.value) for part in text.values if isinstance(part, ast.Constant))
        for value in text.values
        if isinstance(value, ast.FormattedValue) and value.format_spec is None
    ]


HARMLESS = {"summary.rows", "summary.background", "COLORS[0]"}
"""Numbers of rows, and a colour of ours."""


def test_no_name_of_a_feature_or_model_is_put_between_tags_as_it_is() -> None:
    """An attribute or an item of an object goes through html.escape, a function of core.pictures, or a format."""
    found, looked_at = [], 0
    for path in sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "Markup" not in text and "html" not in text:
            continue
        looked_at += 1
        found += [
            f"{path.relative_to(ROOT)}:{value.lineno} {ast.unparse(value.value)}"
            for value in _interpolations(ast.parse(text))
            if isinstance(value.value, ast.Attribute | ast.Subscript) and ast.unparse(value.value) not in HARMLESS
        ]
    assert looked_at > 30
    assert found == []


def test_a_planted_name_is_found() -> None:
    tree = ast.parse("x = Markup(f'<b>{feature.name}</b> {width:.1f} {html.escape(feature.name)}')")
    attributes = [value for value in _interpolations(tree) if isinstance(value.value, ast.Attribute)]
    assert [ast.unparse(value.value) for value in attributes] == ["feature.name"]
