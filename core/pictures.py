"""Pictures for the report: HTML fragments with inline SVG that need no script, no font and no network.

The report defines the classes `card`, `pass`, `fail`, `undecided`, `muted` and `num`; colours of lines and bars are
Okabe and Ito's, which people with any kind of colour vision can tell apart.
"""

import html
import io
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
"""Okabe and Ito's palette, the most different ones first."""

_THEME = {
    "axes.edgecolor": "#8a8f98",
    "axes.grid": True,
    "axes.labelcolor": "#3c4149",
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "figure.constrained_layout.use": True,
    "font.family": "sans-serif",
    "font.size": 9,
    "grid.color": "#e3e5e8",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "savefig.transparent": True,
    "svg.fonttype": "none",  # text stays text: small, searchable, in the reader's font
    "svg.hashsalt": "mlops",  # equal pictures are equal bytes
    "text.color": "#3c4149",
    "xtick.color": "#6b717b",
    "ytick.color": "#6b717b",
}


_AXIS = 0.55
"""Inches for the numbers and the title of an axis."""


class Markup(str):
    """Text that is HTML already and is put in as it is; any other text is escaped."""

    __slots__ = ()


@contextmanager
def figure(width: float = 6.0, height: float = 3.0, *, numbers: int | None = None) -> "Iterator[Figure]":
    """Make a matplotlib figure in the report's theme, size in inches; draw on it inside the `with` block.

    Its layout is made from the size of its labels, which takes as long as drawing them; with `numbers`, the number of
    plots beside each other whose axes have numbers alone, it is a fixed one.
    """
    import matplotlib as mpl  # noqa: PLC0415 - importing it takes a second, and most of the program draws nothing
    from cycler import cycler  # noqa: PLC0415
    from matplotlib.figure import Figure as MplFigure  # noqa: PLC0415

    how = {"axes.prop_cycle": cycler(color=COLORS), "figure.constrained_layout.use": numbers is None}
    with mpl.rc_context({**_THEME, **how}):
        made = MplFigure(figsize=(width, height))
        if numbers is not None:
            sides = {"left": _AXIS / width, "right": 1 - 0.1 / width, "bottom": _AXIS / height, "top": 1 - 0.3 / height}
            made.subplots_adjust(**sides, wspace=_AXIS * numbers / (width - _AXIS * numbers - 0.1))
        yield made


def svg(figure: "Figure", label: str = "") -> Markup:
    """Render a matplotlib figure as one inline `<svg>` element; the label is for screen readers."""
    import matplotlib as mpl  # noqa: PLC0415

    out = io.StringIO()
    with mpl.rc_context(_THEME):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    drawing = out.getvalue()
    return Markup(f'<svg role="img" aria-label="{html.escape(label)}"' + drawing[drawing.index("<svg") + len("<svg") :])


def fragment(title: str, *parts: str) -> Markup:
    """Make a `<section>` of a title and parts; a part that is not Markup becomes a paragraph."""
    body = "\n".join(part if isinstance(part, Markup) else f"<p>{html.escape(part)}</p>" for part in parts)
    return Markup(f'<section class="card">\n<h2>{html.escape(title)}</h2>\n{body}\n</section>\n')


def table(headers: Sequence[str], rows: Sequence[Sequence[str | float | None]]) -> Markup:
    """Make a table: numbers right-aligned with four significant digits, None as a dash, Markup as it is."""
    head = "".join(f"<th>{html.escape(header)}</th>" for header in headers)
    body = "\n".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return Markup(f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>")


def verdict(value: str) -> Markup:
    """Format a verdict (`pass`, `fail` or `undecided`) as coloured text."""
    return Markup(f'<span class="{html.escape(value)}">{html.escape(value)}</span>')


def bold(text: str) -> Markup:
    """Format text that stands out, such as the name of what was chosen."""
    return Markup(f"<b>{html.escape(text)}</b>")


def muted(text: str) -> Markup:
    """Format text that is of secondary importance."""
    return Markup(f'<span class="muted">{html.escape(text)}</span>')


@dataclass(frozen=True)
class Series:
    """One series of a small histogram: its name and the share of all values in each bar, from 0 to 1."""

    name: str
    shares: Sequence[float]


def bars(series: Sequence[Series], labels: Sequence[str] = (), width: int = 180, height: int = 44) -> Markup:
    """Draw the histograms of several series side by side, `width` by `height` pixels, without axes.

    `labels` has a name per bar for the tooltips; "no values" is drawn when all shares are 0.
    """
    count = max((len(one.shares) for one in series), default=0)
    top = max((share for one in series for share in one.shares if math.isfinite(share)), default=0.0)
    if not count or top <= 0:
        return muted("no values")
    step, slot = width / count, width / count / len(series)
    parts = []
    for index, one in enumerate(series):
        for bar, share in enumerate(one.shares):
            bar_height = max(share / top * (height - 2), 0.6 if share > 0 else 0.0)
            label = f"{labels[bar]}: " if bar < len(labels) else ""
            position = f'x="{bar * step + index * slot:.1f}" y="{height - bar_height:.1f}"'
            size = f'width="{max(slot - 0.5, 0.5):.1f}" height="{bar_height:.1f}"'
            title = html.escape(f"{one.name} {label}{share:.1%}")
            color = COLORS[index % len(COLORS)]
            parts.append(f'<rect {position} {size} fill="{color}"><title>{title}</title></rect>')
    names = ", ".join(one.name for one in series)
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    return Markup(f'<svg role="img" aria-label="histogram of {html.escape(names)}" {size}>{"".join(parts)}</svg>')


def legend(names: Sequence[str]) -> Markup:
    """Make the legend of the series' colours in `bars`."""
    parts = []
    for index, name in enumerate(names):
        color = COLORS[index % len(COLORS)]
        parts.append(f'<span style="color:{color}">&#9632;</span> {html.escape(name)}')
    return Markup(" ".join(parts))


def write(path: Path | str, *fragments: str) -> None:
    """Write fragments to the file of a `pictures` artifact."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("\n".join(fragments), encoding="utf-8")


def _cell(value: str | float | None) -> str:
    if value is None:
        return '<td class="muted">&ndash;</td>'
    if isinstance(value, Markup):
        return f"<td>{value}</td>"
    if isinstance(value, str):
        return f"<td>{html.escape(value)}</td>"
    if isinstance(value, int) or (math.isfinite(value) and value == int(value) and abs(value) < 1e15):
        return f'<td class="num">{int(value):,}</td>'
    return f'<td class="num">{value:.4g}</td>'
