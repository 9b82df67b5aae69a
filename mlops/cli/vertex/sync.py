"""`mlops models sync`: Vertex AI's Model Registry as a mirror of ours."""

import os
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from core.store import Store

if TYPE_CHECKING:
    from mlops.actions.model_mirror import Synced


@click.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--to", type=click.Choice(["vertex"]), required=True, help="Where: Vertex AI's Model Registry.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def sync(store: Store, names: tuple[str, ...], to: str, as_json: bool) -> None:  # noqa: ARG001 - the only choice
    """Upload the versions of each NAME, or of all models, that Vertex AI lacks, and move its aliases.

    The deployment's own registry is the truth; nothing is removed from Vertex AI. A second sync changes nothing.
    Returns 1 when something failed; the rest is done all the same.
    """
    from mlops.actions.endpoint.opened import open_mirror
    from mlops.cli.main import print_json
    from mlops.worlds.vertex.world import Vertex
    from mlops.worlds.world import WorldContext
    from pipelines.config import name_of

    mirror = open_mirror(Vertex(WorldContext(store, os.environ)), lambda line: click.echo(line, err=True))
    done = [mirror.sync(name) for name in (map(name_of, names) if names else mirror.registry.names())]
    if as_json:
        print_json({"models": [asdict(one) for one in done]})
    else:
        for one in done:
            _print(one)
    sys.exit(1 if any(one.failed for one in done) else 0)


def _print(done: "Synced") -> None:
    what = f"{len(done.uploaded)} uploaded, {len(done.unchanged)} as they were"
    click.secho(f"{done.name}: {what if done.changed else f'nothing to do; {what}'}", bold=True)
    for moved in done.moved:
        click.echo(f"  alias {moved}")
    if done.unknown:
        click.secho(f"  only in Vertex AI: versions {', '.join(map(str, done.unknown))}", fg="yellow")
    for failure in done.failed:
        click.secho(f"  {failure}", fg="red")
