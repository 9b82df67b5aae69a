"""`mlops schedule`: the recurring runs of use cases."""

from dataclasses import asdict
from shlex import quote

import click

from core.store import Store
from mlops.cli.at import ChosenWorld, at_world


@click.group()
def schedule() -> None:
    """Apply, list and delete the recurring runs of use cases."""


@schedule.command()
@click.argument("usecase")
@at_world("kfp")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def apply(store: Store, *, usecase: str, chosen: ChosenWorld, as_json: bool) -> None:
    """Apply the schedules in USECASE's config.yaml; a second time changes nothing."""
    from mlops.cli.main import print_json
    from pipelines.config import find, load

    loaded = load(find(usecase))
    with chosen.open(store) as world:
        applied = world.schedules.apply(loaded)
    if as_json:
        print_json({"world": world.name, **asdict(applied)})
        return
    changes = (("created", applied.created), ("unchanged", applied.unchanged), ("removed", applied.removed))
    for change, schedules in changes:
        for recurring in schedules:
            click.echo(f"{change:<9}  {recurring.name}  {recurring.cron} UTC")


@schedule.command("list")
@click.argument("usecase", default="")
@at_world("kfp")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def list_(store: Store, *, usecase: str, chosen: ChosenWorld, as_json: bool) -> None:
    """List the recurring runs of USECASE, or of all."""
    from mlops.cli.main import print_json
    from pipelines.config import name_of

    name = name_of(usecase) if usecase else ""
    with chosen.open(store) as world:
        found = world.schedules.of(name)
    if as_json:
        print_json({"world": world.name, "schedules": [asdict(recurring) for recurring in found]})
        return
    for recurring in found:
        state = "" if recurring.enabled else "  (switched off)"
        click.echo(f"{recurring.name:<50} {recurring.cron} UTC{state}")
    if not found:
        named = quote(usecase or "flight_delay")
        click.echo(f"No schedule yet; apply one with: mlops schedule apply {named} --at {chosen.at}")


@schedule.command()
@click.argument("usecase")
@at_world("kfp")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def delete(store: Store, *, usecase: str, chosen: ChosenWorld, as_json: bool) -> None:
    """Remove the recurring runs of USECASE; runs that have started go on."""
    from mlops.cli.main import print_json
    from pipelines.config import name_of

    name = name_of(usecase)
    with chosen.open(store) as world:
        removed = world.schedules.delete(name)
    if as_json:
        print_json({"world": world.name, "removed": [asdict(recurring) for recurring in removed]})
        return
    for recurring in removed:
        click.echo(f"removed  {recurring.name}")
    if not removed:
        click.echo(f"{name} has no schedule.")
