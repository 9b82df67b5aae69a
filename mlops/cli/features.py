"""`mlops features`: shows which features a run selected, and applies the selection to the curated schema."""

import sys
from typing import TYPE_CHECKING, Any

import click

from core.errors import UsageError
from core.store import Store

if TYPE_CHECKING:
    from mlops.actions.selected_features import SelectedFeatures

_WIDTH = 160
"""Columns of the tables where the output is no terminal."""


@click.group()
def features() -> None:
    """Show which features a run selected, or leave the others out of the curated schema."""


@features.command()
@click.argument("usecase")
@click.option("--run", "run_id", default="", metavar="RUN", help="Which run; default: the newest with a selection.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def show(store: Store, *, usecase: str, run_id: str, as_json: bool) -> None:
    """Show what each method selected for USECASE, what a feature gives and costs, and the proposed change."""
    from mlops.cli.main import print_json

    found = _found(store, usecase, run_id)
    if as_json:
        print_json(_facts(found))
        return
    _print_tables(found)
    click.echo(found.diff or "No feature is left out; the schema stays as it is.", nl=not found.diff)


@features.command()
@click.argument("usecase")
@click.option("--run", "run_id", default="", metavar="RUN", help="Which run; default: the newest with a selection.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; needs --yes.")
@click.pass_obj
def apply(store: Store, *, usecase: str, run_id: str, yes: bool, as_json: bool) -> None:
    """Disable the features that a run left out in the schema of USECASE, after showing the difference.

    Refused when the schema changed since that run.
    """
    from mlops.cli.main import print_json

    found = _found(store, usecase, run_id)
    if as_json and not yes:
        raise UsageError("--json asks no question: add --yes, or see what would change with `mlops features show`")
    if not as_json:
        click.echo(found.diff or "No feature is left out; the schema stays as it is.", nl=not found.diff)
    if found.diff and not yes:
        if not sys.stdin.isatty():
            raise UsageError("nothing was written: this is no terminal to ask at; add --yes")
        click.confirm(f"Write {found.schema}?", abort=True)
    if found.diff:
        found.apply()
    if as_json:
        print_json(_facts(found) | {"applied": bool(found.diff)})
    elif found.diff:
        click.echo(f"wrote {found.schema}")
        if found.read_by_module:
            names = ", ".join(found.read_by_module)
            click.secho(f"module.py reads {names}: take them out of preprocessing_fn too.", fg="yellow", err=True)


def _found(store: Store, usecase: str, run_id: str) -> "SelectedFeatures":
    from mlops.actions.selected_features import find_selection
    from pipelines.config import find, load

    return find_selection(load(find(usecase)), store, run_id)


def _facts(found: "SelectedFeatures") -> dict[str, Any]:
    return {
        "run_id": found.run_id,
        "schema": str(found.schema),
        "selection": found.selection.model_dump(mode="json"),
        "read_by_module": list(found.read_by_module),
        "diff": found.diff,
    }


def _print_tables(found: "SelectedFeatures") -> None:
    from rich.console import Console
    from rich.table import Table

    selection = found.selection
    metrics = list(selection.methods[0].metrics)
    methods = Table(title=f"run {found.run_id}", title_justify="left", box=None, pad_edge=False)
    for heading in ("method", "features", *metrics, f"{selection.skill} lost", "at most", "stability", "seconds"):
        methods.add_column(heading)
    for one in selection.methods:
        numbers = [f"{one.metrics[metric]:.4f}" for metric in metrics]
        lost = [f"{one.loss:.4f}", f"{one.loss_at_most:.4f}", f"{one.stability:.2f}", f"{one.seconds:.1f}"]
        mark = " *" if one.name == selection.chosen else ""
        methods.add_row(one.name + mark, str(len(one.features)), *numbers, *lost)
    listed = Table(box=None, pad_edge=False)
    for heading in ("feature", "", "gain", "ns a row", "vocabulary bytes", "read by module.py"):
        listed.add_column(heading)
    for feature in sorted(selection.features, key=lambda one: -(one.gain or 0.0)):
        verdict = f"{feature.verdict} ({feature.why})" if feature.why else feature.verdict
        gain = "-" if feature.gain is None else f"{feature.gain:.4f}"
        cost = "-" if feature.nanoseconds is None else f"{feature.nanoseconds:.0f}"
        size = "-" if feature.vocabulary_bytes is None else str(feature.vocabulary_bytes)
        listed.add_row(feature.name, verdict, gain, cost, size, "yes" if feature.read_by_module else "no")
    console = Console(soft_wrap=True, width=None if sys.stdout.isatty() else _WIDTH)
    console.print(methods)
    console.print(listed)
