"""`mlops status`: one screen about what is in production, what ran, what runs next and what needs a person."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.store import Store
from mlops.cli.at import ChosenWorld, at_world

if TYPE_CHECKING:
    from mlops.actions.status import InProduction, Status

_COLORS = {"pass": "green", "fail": "red", "undecided": "yellow"}


@click.command()
@click.argument("usecase", default="")
@at_world()
@click.option(
    "--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a page that holds everything it shows."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def status(store: Store, *, usecase: str, chosen: ChosenWorld, html: Path | None, as_json: bool) -> None:
    """Show what is in production of USECASE, or of all, what ran last, what runs next, and what needs a person."""
    from mlops.actions.status import statuses
    from mlops.cli.main import print_json
    from pipelines.config import name_of

    now = time.time()
    with chosen.open(store) as world:
        found = statuses(world.store, name_of(usecase) if usecase else "", now)
    if html is not None:
        _write_page(store, found, html, now)
    if as_json:
        print_json({"store": str(store.root), "usecases": [one.as_json() for one in found]})
        return
    for one in found:
        _print(one, now)
    if not found:
        click.echo("Nothing yet; train a first model with: mlops run flight_delay")
    if html is not None:
        click.echo(f"page    {html}")


def _write_page(store: Store, found: "list[Status]", target: Path, now: float) -> None:
    from core.errors import UsageError
    from mlops.actions.monitoring_page import write_page

    if len(found) != 1:
        raise UsageError("--html: wanted a use case, since a page is about one: mlops status USECASE --html FILE")
    write_page(store, found[0], target, now)


def _print(found: "Status", now: float) -> None:
    click.secho(found.usecase, bold=True)
    _line("in production", _production_line(found.in_production, now))
    for one in found.releases:
        since = f"since {one.since[:16].replace('T', ' ')} UTC, {one.action} by {one.by}: {one.why}"
        _line(one.environment, f"release {one.release[7:19]}  {since}")
    _print_runs(found)
    for slot in found.next:
        _line("next", f"{slot.at[:16].replace('T', ' ')} UTC  schedule {slot.schedule} ({slot.pipeline})")
    if not found.next:
        _line("next", "no schedule")
    for alarm in found.alarms:
        label = "alarm" if alarm.verdict == "fail" else alarm.verdict
        _line(label, click.style(f"{alarm.source}: {alarm.what}", fg=_COLORS[alarm.verdict]))
        if alarm.next_step:
            _line("", f"→ {alarm.next_step}")
    if not found.alarms:
        _line("alarms", "none")
    for letter in found.dead_letters:
        _line("dead letter", f"{letter.name}: {letter.why}; mlops trigger retry {letter.name}")
    click.echo()


def _print_runs(found: "Status") -> None:
    for run in found.runs:
        verdict = click.style(f"{run.verdict or run.state.lower():<9}", fg=_COLORS.get(run.verdict))
        _line("last runs" if run is found.runs[0] else "", f"{verdict}  {run.started}  {run.run_id}  {run.headline}")
    if not found.runs:
        _line("last runs", f"none; start one with: mlops run {found.usecase}")
    for reason in found.open_decisions:
        _line("running", reason)
    if found.waiting_facts:
        _line("waiting", f"{found.waiting_facts} facts; mlops trigger list {found.usecase}")


def _production_line(found: "InProduction | None", now: float) -> str:
    from mlops.actions.status import elapsed

    if found is None:
        return "nothing"
    since = f"since {found.since[:16].replace('T', ' ')} UTC ({elapsed(found.since, now)})"
    line = f"version {found.version}  {found.digest[7:19]}  {since}, {found.action}"
    if found.canary:
        share = f"at {found.canary['percent']:g} %" if found.canary["percent"] else "as a shadow"
        line += f"; canary: version {found.canary['version']} {share} for {elapsed(found.canary['since'], now)}"
    return line


def _line(label: str, text: str) -> None:
    click.echo(f"  {label:<14} {text}")
