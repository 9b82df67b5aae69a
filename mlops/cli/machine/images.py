"""`mlops images`: the container images that steps and the model server run in."""

import os
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from core.store import Store

if TYPE_CHECKING:
    from mlops.cluster.images.project import Images
    from mlops.cluster.progress import Progress


@click.group()
def images() -> None:
    """Build, list and push the images; their tag is a hash of all files that are copied into them.

    Variables: MLOPS_IMAGE_INDEX, MLOPS_IMAGE_DEBIAN, MLOPS_IMAGE_UV, MLOPS_IMAGE_CA_BUNDLE, MLOPS_IMAGE_NETWORK, and
    MLOPS_IMAGE_OVERRIDES=python:3.11-slim=OTHER for another base image; `mlops images config` explains them.
    """


@images.command()
@click.argument("groups", metavar="[data|serving|tfx]...", nargs=-1, type=click.Choice(["data", "serving", "tfx"]))
@click.option("--anew", is_flag=True, help="Rebuild images that exist, for example after the base image has changed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; progress goes to standard error.")
@click.pass_obj
def build(store: Store, *, groups: tuple[str, ...], anew: bool, as_json: bool) -> None:
    """Build the images of the current sources that are not in the local Docker; without arguments, all groups.

    Returns 1 when one cannot be built or is larger than its budget.
    """
    from mlops.cluster.images.project import names
    from mlops.cluster.progress import Progress

    with Progress() as progress:
        found = _images(store, progress)
        found.build(names(groups), progress.log, rebuild=anew)
    if as_json:
        _print(found)


@images.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def list_(store: Store, *, as_json: bool) -> None:
    """List the images of the current sources: whether they are in the local Docker, and their sizes."""
    from mlops.cluster.progress import Progress

    found = _images(store, Progress())
    if as_json:
        _print(found)
        return
    for one in found.inspect():
        size = f"{one.megabytes:>5} of {one.budget} MB" if one.present else "not built: mlops images build " + one.group
        click.echo(f"{one.reference:<44} {click.style(size, fg='red' if one.is_too_big else None)}")


@images.command()
@click.argument("registry")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; progress goes to standard error.")
@click.pass_obj
def push(store: Store, *, registry: str, as_json: bool) -> None:
    """Push the images of the current sources to REGISTRY, such as `host:5000/folder`, and record their digests.

    With MLOPS_IMAGE_REGISTRY=REGISTRY, pipelines are compiled with these digests from then on.
    """
    from mlops.cli.main import print_json
    from mlops.cluster.progress import Progress

    with Progress() as progress:
        found = _images(store, progress)
        pushed = found.push(registry, progress.log)
    if as_json:
        print_json({"registry": registry, "images": pushed, "pushed": found.pushed(registry)})
    else:
        click.echo("\n".join(pushed.values()))


@images.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def config(*, as_json: bool) -> None:
    """List every environment variable that is read, with its value."""
    from mlops.cli.machine.cluster import print_variables
    from mlops.cluster.images.builds import VARIABLES

    print_variables(VARIABLES, {one.name: os.environ.get(one.name, one.default) for one in VARIABLES}, as_json=as_json)


def _images(store: Store, progress: "Progress") -> "Images":
    from mlops.cluster.images.project import Images
    from mlops.cluster.programs.commands import Commands

    return Images(Commands(os.environ), store, progress.waiting)


def _print(found: "Images") -> None:
    from mlops.cli.main import print_json

    print_json({"images": [asdict(one) for one in found.inspect()]})
