"""Renders the comparison of two models as one HTML file that needs no network and no server."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.durable import replace
from mlops.report.render import environment


def write_comparison(comparison: Mapping[str, Any], target: Path) -> Path:
    """Write the page of a comparison, given as plain values, and return its path."""
    html = environment().get_template("model_comparison.html.j2").render(page=comparison, number=number)
    target.parent.mkdir(parents=True, exist_ok=True)
    replace(target, html.encode())
    return target


def number(value: float | None) -> str:
    """Return a number as a person reads it: counts whole, others with four digits behind the point or before it."""
    if value is None:
        return "–"
    if float(value).is_integer() and abs(value) >= 2:
        return f"{value:,.0f}"
    return f"{value:,.1f}" if abs(value) >= 10 else f"{value:.4f}"
