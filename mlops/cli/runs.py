"""`mlops runs`: every run, its verdict and its report; and going on with one that stopped."""

import os

import click

from core.store import Store
from mlops.cli.submit import follow_to_end, to_kfp


@click.group()
def runs() -> None:
    """List, show, follow and resume runs."""


@runs.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def list_(store: Store, as_json: bool) -> None:
    """List the runs, the newest first."""
    from mlops.cli.main import print_json
    from mlops.worlds.listed import runs_of

    rows = runs_of(store)
    if as_json:
        print_json({"runs": rows})
        return
    if not rows:
        click.echo("No run yet: mlops run flight_delay")
    for row in rows:
        click.echo(f"{row['run_id']:<40} {row['state']:<11} {row['started']}  {row['headline']}")


@runs.command()
@click.argument("run_id")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def show(store: Store, run_id: str, as_json: bool) -> None:
    """Show what came out of RUN_ID, gate by gate and task by task."""
    from mlops.cli.main import print_json
    from mlops.runs.history import find_summary

    summary = find_summary(store, run_id)
    if as_json:
        print_json(summary)
        return
    click.secho(summary["headline"], bold=True)
    click.echo(f"why     {summary['reason']}" if summary["reason"] else "")
    click.echo(f"next    {summary['next_step']}\nreport  {summary['report']}\n")
    for decision in summary["decisions"]:
        click.echo(f"{decision['verdict']:>9}  {decision['gate']}: {decision['summary']}")
    click.echo()
    for task in summary["tasks"]:
        click.echo(
            f"{'cached' if task['cached'] else task['state'].lower():>9}  {task['name']:<22} {task['seconds']:8.2f} s"
        )


@runs.command()
@click.argument("run_id")
@to_kfp
@click.option(
    "--deadline",
    type=click.FloatRange(min=0.1),
    default=15.0,
    show_default=True,
    metavar="MINUTES",
    help="How long to wait.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def follow(store: Store, *, run_id: str, world: str, endpoint: str, deadline: float, as_json: bool) -> None:  # noqa: ARG001 - there is one such world
    """Follow RUN_ID, which was submitted to a cluster from this store, to its end."""
    from mlops.worlds.kfp import Kubeflow
    from mlops.worlds.kfp_connection import connected
    from mlops.worlds.kfp_platform import PodSettings

    with connected(endpoint, os.environ) as connection:
        follow_to_end(Kubeflow(connection, store, PodSettings.of(os.environ)), run_id, deadline, as_json=as_json)


@runs.command()
@click.argument("run_id")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def resume(store: Store, run_id: str, as_json: bool) -> None:
    """Go on with RUN_ID where it stopped; what is finished does not run again."""
    from mlops.cli.run import tell
    from mlops.worlds.laptop import Laptop

    with Laptop(store, quiet=as_json) as laptop:
        outcome, report = laptop.resume(run_id)
    tell(outcome, report, as_json=as_json)
