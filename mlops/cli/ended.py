"""Follows a run and prints its outcome, for the verbs that run or wait."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

if TYPE_CHECKING:
    from mlops.report.outcome import Outcome
    from mlops.worlds.world import World


def follow_and_exit(world: "World", run_id: str, deadline: float | None, *, as_json: bool) -> NoReturn:
    """Show a run's progress until its end, print the outcome, and exit with its code; the deadline is in minutes."""
    from mlops.worlds.finished import follow_to_end
    from mlops.worlds.progress import shown

    with shown(quiet=as_json) as watcher:
        outcome, report = follow_to_end(world, run_id, watcher, deadline * 60 if deadline is not None else None)
    print_outcome(outcome, report, as_json=as_json)
    sys.exit(outcome.exit_code)


def print_outcome(outcome: "Outcome", report: Path, *, as_json: bool) -> None:
    """Print the outcome of a run, and the path of its report."""
    from mlops.cli.main import print_json

    if as_json:
        print_json(outcome.as_json(report))
        return
    colour = {"pass": "green", "fail": "red", "undecided": "yellow"}
    click.echo()
    for decision in outcome.decisions:
        mark = click.style(f"{decision.verdict.value:>9}", fg=colour[decision.verdict.value])
        click.echo(f"{mark}  {decision.gate}: {decision.summary}")
    if outcome.failed is not None and not outcome.reason:
        click.echo(f"\n{outcome.failed.error}", err=True)
    click.secho(f"\n{outcome.headline}", fg=colour[outcome.verdict], bold=True)
    if outcome.reason:
        click.echo(f"why     {outcome.reason}")
    click.echo(f"next    {outcome.next_step}")
    if outcome.pushed is not None:
        click.echo(f"model   {outcome.pushed.path}")
    click.echo(f"report  {report}")
