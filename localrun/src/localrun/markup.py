"""Pieces of HTML that every picture and page of a run uses; everything that came from outside is escaped."""

import json
from collections.abc import Iterable
from html import escape

COLOURS = {
    "SUCCEEDED": "#1b7f4d",
    "FAILED": "#b3261e",
    "UPSTREAM_FAILED": "#c77700",
    "CANCELLED": "#c77700",
    "INTERRUPTED": "#c77700",
    "RUNNING": "#0b5cad",
}
"""Of states; what has none is grey."""
GREY, INK = "#767676", "#1d1d1f"
_LONGEST = 2000


def coloured(state: str, text: str) -> str:
    """Return a text in the colour of a state."""
    return f"<span style='color:{COLOURS.get(state, GREY)}'>{escape(text)}</span>"


def code(data: object) -> str:
    """Return a parameter's value, cut where it is very long."""
    text = json.dumps(data, ensure_ascii=False, default=str)
    return f"<code>{escape(text if len(text) <= _LONGEST else f'{text[:_LONGEST]}…')}</code>"


def link(target: str, text: str) -> str:
    """Return a link to a path that is relative to the page."""
    return f"<a href='{escape(target, quote=True)}'>{escape(text)}</a>"


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table of cells that are HTML already."""
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "\n".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{head}</tr>\n{body}</table>"
