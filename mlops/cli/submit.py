"""`mlops submit`: the compiled pipeline, on a cluster, from data to verdict."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from core.store import Store

if TYPE_CHECKING:
    from mlops.worlds.kfp import Kubeflow

Command = TypeVar("Command", bound=Callable[..., Any])


def to_kfp(command: Command) -> Command:
    """Give a verb the options that say which deployment of Kubeflow Pipelines is meant."""
    endpoint = click.option(
        "--endpoint",
        envvar="KFP_ENDPOINT",
        default="",
        metavar="URL",
        help="Its API; default: the local cluster, through kubectl.",
    )
    world = click.option(
        "--at", "--to", "world", type=click.Choice(["kfp"]), default="kfp", show_default=True, help="Which world."
    )
    return world(endpoint(command))


@click.command()
@click.argument("usecase")
@to_kfp
@click.option("--pipeline", default="level1", show_default=True, help="Which pipeline.")
@click.option("--span", metavar="NUMBER|DATE|newest", help="The newest span to use; default: as the use case says.")
@click.option("--no-cache", is_flag=True, help="Compute everything again.")
@click.option("--wait", is_flag=True, help="Follow the run to its end, and report it as `mlops run` does.")
@click.option(
    "--deadline",
    type=click.FloatRange(min=0.1),
    default=15.0,
    show_default=True,
    metavar="MINUTES",
    help="How long --wait waits.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def submit(
    store: Store,
    *,
    usecase: str,
    world: str,
    endpoint: str,
    pipeline: str,
    span: str | None,
    no_cache: bool,
    wait: bool,
    deadline: float,
    as_json: bool,
) -> None:
    """Submit a pipeline of USECASE to a cluster: the file that `mlops compile` writes, pinned like a run on this machine.

    With --wait, returns 3 when a gate said no, and 1 when a task failed or the deadline passed; the run itself goes on then.
    """
    from core.images import chosen_references
    from mlops.cli.main import print_json
    from mlops.worlds.kfp import Kubeflow
    from mlops.worlds.kfp_connection import connected
    from mlops.worlds.kfp_platform import PodSettings
    from pipelines.config import find, load

    loaded = load(find(usecase))
    with connected(endpoint, os.environ) as connection:
        kubeflow = Kubeflow(connection, store, PodSettings.of(os.environ), chosen_references(os.environ, store.images))
        submitted = kubeflow.submit(loaded, pipeline, span=span, cache=not no_cache)
        if wait:
            follow_to_end(kubeflow, submitted.run_id, deadline, as_json=as_json)
    if as_json:
        print_json({"run_id": submitted.run_id, "world": world, "folder": str(submitted.folder)})
    else:
        click.echo(f"run     {submitted.run_id}\nnext    mlops runs follow {submitted.run_id}")


def follow_to_end(kubeflow: "Kubeflow", run_id: str, deadline: float, *, as_json: bool) -> None:
    """Show a run's states until it ends, say how it ended, and leave with its exit code; the deadline is in minutes."""
    from mlops.cli.run import tell
    from mlops.worlds.progress import shown

    with shown(quiet=as_json) as show:
        outcome, report = kubeflow.follow(run_id, deadline * 60, show)
    tell(outcome, report, as_json=as_json)
