"""`mlops run`: one compiled pipeline, on this machine, from data to verdict."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.store import Store

if TYPE_CHECKING:
    from mlops.report.outcome import Outcome


@click.command()
@click.argument("usecase")
@click.option("--pipeline", default="level1", show_default=True, help="Which pipeline.")
@click.option("--span", metavar="NUMBER|DATE|newest", help="The newest span to use; default: as the use case says.")
@click.option("--no-cache", is_flag=True, help="Compute everything again.")
@click.option(
    "--containers",
    is_flag=True,
    help="Run every step in a container of its image; needs Docker and `mlops images build`.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def run(
    store: Store, *, usecase: str, pipeline: str, span: str | None, no_cache: bool, containers: bool, as_json: bool
) -> None:
    """Run a pipeline of USECASE (a name under usecases/, or a path to a folder) on this machine.

    Returns 3 when a gate said no; the report says why.
    """
    from mlops.worlds.laptop import Laptop
    from pipelines.config import find, load

    loaded = load(find(usecase))
    with Laptop(store, quiet=as_json, contained=containers) as laptop:
        outcome, report = laptop.run(loaded, pipeline, span=span, cache=not no_cache)
    tell(outcome, report, as_json=as_json)


def tell(outcome: "Outcome", report: Path, *, as_json: bool) -> None:
    """Say how a run ended, and leave with its exit code."""
    from mlops.cli.main import print_json

    if as_json:
        print_json(outcome.as_json(report))
    else:
        colour = {"pass": "green", "fail": "red", "undecided": "yellow"}[outcome.verdict]
        click.echo()
        for decision in outcome.decisions:
            mark = click.style(
                f"{decision.verdict.value:>9}",
                fg={"pass": "green", "fail": "red"}.get(decision.verdict.value, "yellow"),
            )
            click.echo(f"{mark}  {decision.gate}: {decision.summary}")
        if outcome.failed is not None and outcome.closed is None:
            click.echo(f"\n{outcome.failed.error}", err=True)
        click.secho(f"\n{outcome.headline}", fg=colour, bold=True)
        if outcome.reason:
            click.echo(f"why     {outcome.reason}")
        click.echo(f"next    {outcome.next_step}")
        if outcome.pushed is not None:
            click.echo(f"model   {outcome.pushed.path}")
        click.echo(f"report  {report}")
    sys.exit(outcome.exit_code)
