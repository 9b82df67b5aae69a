"""Prints the comparison of two models, for `mlops models compare`."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.store import Store

if TYPE_CHECKING:
    from mlops.actions.model_comparison.compared import Line, ModelComparison

_MOST_SLICES = 12
_WIDTH = 140
"""Columns of a table where the output is no terminal."""


def show(store: Store, models: tuple[str, str], run_id: str, html: str, *, as_json: bool) -> None:
    """Compare two models, print what was found, and write the page."""
    from mlops.actions.model_comparison.comparing import compare_models
    from mlops.cli.main import print_json
    from mlops.report.model_comparison import write_comparison

    found = compare_models(store, *models, run_id)
    names = "-and-".join(one.strip("/").rpartition("/")[2] for one in models)
    page = write_comparison(found.as_json(), Path(html) if html else store.root / "comparisons" / f"{names}.html")
    if as_json:
        print_json(dict(found.as_json()) | {"page": str(page)})
        return
    _print(found)
    click.echo(f"page    {page}")


def _print(found: "ModelComparison") -> None:
    from mlops.report.model_comparison import number

    click.secho(f"{found.before.reference} -> {found.after.reference}", bold=True)
    low, value, high = map(number, found.gain)
    click.echo(f"{found.rows:,} rows of run {found.run_id}; gain in {found.skill} {value} (95%: {low} to {high})")
    _table("metric", found.metrics, found)
    _table(f"{found.metric} on slice", found.slices[:_MOST_SLICES], found)
    if len(found.slices) > _MOST_SLICES:
        click.echo(f"{len(found.slices) - _MOST_SLICES} more slices are on the page")
    _table("largest difference between groups", found.gaps, found)
    _table("cost", found.costs, found)


def _table(title: str, lines: "Iterable[Line]", found: "ModelComparison") -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from mlops.report.model_comparison import number

    table = Table(box=None, pad_edge=False)
    for heading in (title, found.before.reference, found.after.reference, "change", ""):
        table.add_column(escape(heading), justify="left" if heading in (title, "") else "right")
    for line in lines:
        colour = {"better": "green", "worse": "red"}.get(line.direction, "dim")
        marked = f"[{colour}]{line.direction}[/{colour}]"
        numbers = (number(line.before), number(line.after), number(line.change))
        table.add_row(escape(line.slice or line.name), *numbers, marked)
    if table.row_count:
        Console(soft_wrap=True, width=None if sys.stdout.isatty() else _WIDTH).print(table)
        click.echo()
