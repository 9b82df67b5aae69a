"""`mlops runs`: lists runs with their results and reports, compares two; exports, follows, cancels and resumes one."""

from pathlib import Path
from typing import Any

import click

from core.store import Store
from mlops.cli.at import world_of_run
from mlops.cli.submit import deadline_option


@click.group()
def runs() -> None:
    """List, show, compare, export, follow, cancel and resume runs."""


@runs.command("list")
@click.option("--at", default="", metavar="laptop|kfp", help="Only the runs of this world.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def list_(store: Store, at: str, as_json: bool) -> None:
    """List the runs that were submitted from this store, the newest first."""
    from mlops.actions.run_list import listed
    from mlops.cli.main import print_json

    rows = [row for row in listed(store) if at in ("", row["world"])]
    if as_json:
        print_json({"runs": rows})
        return
    if not rows:
        click.echo("No run yet; start one with: mlops run flight_delay")
    for row in rows:
        click.echo(f"{row['run_id']:<40} {row['world']:<7} {row['state']:<11} {row['started']}  {row['headline']}")


@runs.command()
@click.argument("run_id", metavar="RUN")
@click.option("--gate", default="", metavar="GATE", help="Show every check of this gate: its rule and what it saw.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def show(store: Store, run_id: str, gate: str, as_json: bool) -> None:
    """Show the result of RUN, gate by gate and task by task.

    RUN is an id, `newest`, or a model for the run that pushed it: flight_delay@2, or flight_delay for the version in
    production.
    """
    from mlops.actions.run_list import find_run
    from mlops.cli.main import print_json
    from mlops.runs.history import find_summary

    summary = find_summary(store, find_run(store, run_id))
    if gate:
        _show_gate(summary, gate, as_json=as_json)
        return
    if as_json:
        print_json(summary)
        return
    click.secho(summary["headline"], bold=True)
    if summary["reason"]:
        click.echo(f"why     {summary['reason']}")
    click.echo(f"next    {summary['next_step']}\nreport  {summary['report']}\n")
    for decision in summary["decisions"]:
        click.echo(f"{decision['verdict']:>9}  {decision['gate']}: {decision['summary']}")
    click.echo()
    for task in summary["tasks"]:
        state = "cached" if task["cached"] else task["state"].lower()
        click.echo(f"{state:>9}  {task['name']:<30} {task['seconds']:8.2f} s")


def _show_gate(summary: dict[str, Any], gate: str, *, as_json: bool) -> None:
    from core.errors import UsageError, did_you_mean
    from mlops.cli.main import print_json

    decisions = {decision["gate"]: decision for decision in summary["decisions"]}
    if gate not in decisions:
        raise UsageError(f"run {summary['run_id']} has no decision of {gate!r}{did_you_mean(gate, decisions)}")
    if as_json:
        print_json(decisions[gate])
        return
    click.secho(f"{gate}: {decisions[gate]['summary']}", bold=True)
    for check in decisions[gate]["checks"]:
        where = f" [{check['slice']}]" if check["slice"] else ""
        click.echo(f"{check['verdict']:>9}  {check['rule']}{where}: {_shown(check['observed'])}")
        if check["next_step"]:
            click.echo(f"{'next':>9}  {check['next_step']}")


def _shown(observed: Any) -> str:
    """Return an observation as text: counts as they are, other numbers with four digits."""
    if isinstance(observed, float):
        return f"{observed:.0f}" if observed.is_integer() else f"{observed:.4g}"
    return "nothing" if observed is None else str(observed)


@runs.command()
@click.argument("before", metavar="BEFORE")
@click.argument("after", metavar="AFTER", default="newest")
@click.option("--markdown", is_flag=True, help="Print it as a comment of a pull request.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def compare(store: Store, *, before: str, after: str, markdown: bool, as_json: bool) -> None:
    """Compare the model quality of two runs that have ended.

    Each is a run id, `newest`, or the folder of another store (with a `/` in it) for the newest run there. Returns 0
    whichever is better.
    """
    from mlops.actions.run_quality import compare as compared
    from mlops.cli.main import print_json
    from mlops.report import change_comment

    comparison = compared(store, before, after)
    if as_json:
        print_json(comparison.as_json())
    elif markdown:
        click.echo(change_comment.quality(comparison))
    else:
        click.secho(f"{comparison.before.run_id} -> {comparison.after.run_id}", bold=True)
        for warning in (*comparison.caveats, *comparison.verdicts):
            click.secho(f"  {warning}", fg="yellow")
        for one in (*comparison.metrics, *comparison.slices):
            click.echo(f"  {one.sentence}")


@runs.command()
@click.argument("run_id", metavar="RUN")
@click.option(
    "-o", "--output", "target", required=True, type=click.Path(path_type=Path), help="The folder to make; a new one."
)
@click.option("--no-data", is_flag=True, help="Leave the spans out; their digests stay.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def export(store: Store, *, run_id: str, target: Path, no_data: bool, as_json: bool) -> None:
    """Copy RUN with its artifacts, model, code and data to one folder, which `mlops verify` checks anywhere.

    RUN is what `mlops runs show` takes.
    """
    from mlops.actions.run_list import find_run
    from mlops.actions.verification.export import export as exported
    from mlops.cli.main import print_json

    run_id = find_run(store, run_id)
    index = exported(store, run_id, target, with_data=not no_data)
    missing = {source.what: source.missing for source in index.sources if source.missing}
    if as_json:
        print_json({"run_id": run_id, "folder": str(target), "files": len(index.files), "missing": missing})
        return
    click.secho(f"{len(index.files)} files of run {run_id} are in {target}", fg="green", bold=True)
    for what, why in missing.items():
        click.secho(f"left out  {what}: {why}", fg="yellow")
    click.echo(f"next    mlops verify {target}")


@runs.command()
@click.argument("run_id")
@deadline_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def follow(store: Store, *, run_id: str, deadline: float, as_json: bool) -> None:
    """Follow RUN_ID, which was submitted from this store, to its end."""
    from core.errors import MlopsError
    from mlops.cli.ended import follow_and_exit
    from mlops.runs.record import State

    with world_of_run(store, run_id).open(store) as world:
        if world.result(run_id).state is State.INTERRUPTED:
            raise MlopsError(f"run {run_id} was interrupted, and no process executes it: mlops runs resume {run_id}")
        follow_and_exit(world, run_id, deadline, as_json=as_json)


@runs.command()
@click.argument("run_id")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def cancel(store: Store, run_id: str, as_json: bool) -> None:
    """Cancel RUN_ID; the results of finished tasks stay in the cache."""
    from mlops.cli.main import print_json

    with world_of_run(store, run_id).open(store) as world:
        world.cancel(run_id)
    if as_json:
        print_json({"run_id": run_id, "world": world.name, "cancelling": True})
    else:
        click.echo(f"run {run_id} is being cancelled\nnext    mlops runs follow {run_id}")


@runs.command()
@click.argument("run_id")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def resume(store: Store, run_id: str, as_json: bool) -> None:
    """Continue RUN_ID where it stopped; finished tasks do not run again."""
    from mlops.cli.ended import follow_and_exit

    with world_of_run(store, run_id).open(store) as world:
        world.resume(run_id)
        follow_and_exit(world, run_id, None, as_json=as_json)
