"""`mlops schedule`: retraining that nobody has to ask for."""

import os
from dataclasses import asdict

import click

from core.store import Store
from mlops.cli.submit import to_kfp


@click.group()
def schedule() -> None:
    """Apply, list and delete the recurring runs of use cases."""


@schedule.command()
@click.argument("usecase")
@to_kfp
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def apply(store: Store, *, usecase: str, world: str, endpoint: str, as_json: bool) -> None:
    """Make the schedule of USECASE on a cluster what its config.yaml says; again changes nothing."""
    from core.images import chosen_references
    from mlops.cli.main import print_json
    from mlops.worlds.kfp_connection import connected
    from mlops.worlds.kfp_schedule import Schedules
    from pipelines.config import find, load

    loaded = load(find(usecase))
    with connected(endpoint, os.environ) as connection:
        applied = Schedules(connection, os.environ, chosen_references(os.environ, store.images)).apply(loaded)
    if as_json:
        print_json({"world": world, **asdict(applied)})
        return
    click.echo(f"{'created' if applied.created else 'as it was'}  {applied.current.name}  {applied.current.cron} UTC")
    for one in applied.removed:
        click.echo(f"removed    {one.name}  {one.cron} UTC")


@schedule.command("list")
@click.argument("usecase", default="")
@to_kfp
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def list_(*, usecase: str, world: str, endpoint: str, as_json: bool) -> None:
    """List the recurring runs of USECASE, or of all."""
    from mlops.cli.main import print_json
    from mlops.worlds.kfp_connection import connected
    from mlops.worlds.kfp_schedule import Schedules

    with connected(endpoint, os.environ) as connection:
        found = Schedules(connection, os.environ).of(usecase)
    if as_json:
        print_json({"world": world, "schedules": [asdict(one) for one in found]})
        return
    for one in found:
        click.echo(f"{one.name:<50} {one.cron} UTC{'' if one.enabled else '  (switched off)'}")
    if not found:
        click.echo(f"No schedule yet: mlops schedule apply {usecase or 'flight_delay'} --to {world}")


@schedule.command()
@click.argument("usecase")
@to_kfp
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def delete(*, usecase: str, world: str, endpoint: str, as_json: bool) -> None:
    """Remove the recurring runs of USECASE; runs that have begun go on."""
    from mlops.cli.main import print_json
    from mlops.worlds.kfp_connection import connected
    from mlops.worlds.kfp_schedule import Schedules

    with connected(endpoint, os.environ) as connection:
        removed = Schedules(connection, os.environ).delete(usecase)
    if as_json:
        print_json({"world": world, "removed": [asdict(one) for one in removed]})
        return
    for one in removed:
        click.echo(f"removed  {one.name}")
    if not removed:
        click.echo(f"{usecase} has no schedule.")
