"""`mlops runs`: every run, its verdict and its report; and going on with one that stopped."""

from typing import Any

import click

from mlops.core.store import Store


@click.group()
def runs() -> None:
    """List, show and resume runs."""


@runs.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def list_(store: Store, as_json: bool) -> None:
    """List the runs, the newest first."""
    import localrun
    from mlops.cli.main import print_json
    from mlops.worlds.record import summaries

    said = {summary["run_id"]: summary["headline"] for summary in summaries(store)}
    rows: list[dict[str, Any]] = [
        {"run_id": run.run_id, "state": run.state, "started": f"{run.started:%Y-%m-%d %H:%M}", "headline": said.get(run.run_id, "")}
        for run in localrun.runs(store.root)
    ]
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
    from mlops.worlds.record import find_summary

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
        click.echo(f"{'cached' if task['cached'] else task['state'].lower():>9}  {task['name']:<22} {task['seconds']:8.2f} s")


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
