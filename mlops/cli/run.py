"""`mlops run`: runs one pipeline of a use case to its end."""

import click

from core.store import Store
from mlops.cli.at import ChosenWorld, at_world, span_option, version_option


@click.command()
@click.argument("usecase")
@at_world()
@click.option("--pipeline", default="level1", show_default=True, help="Which pipeline; or release:RELEASE.")
@span_option
@version_option
@click.option("--no-cache", is_flag=True, help="Ignore cached results.")
@click.option(
    "--containers",
    is_flag=True,
    help="Run every step in a container of its image; needs Docker and `mlops images build`.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def run(
    store: Store,
    *,
    usecase: str,
    chosen: ChosenWorld,
    pipeline: str,
    span: str | None,
    version: int | None,
    no_cache: bool,
    containers: bool,
    as_json: bool,
) -> None:
    """Run a pipeline of USECASE (a name under usecases/, or a path to a folder) to its end.

    Returns 3 when a gate is closed; the report says why.
    """
    with chosen.open(store, in_containers=containers, runs=True) as world:
        from mlops.cli.ended import follow_and_exit
        from mlops.worlds.pinned import of_release
        from mlops.worlds.world import RunRequest
        from pipelines.config import find, load

        request = RunRequest(load(find(usecase)), pipeline, span, cache=not no_cache, version=version)
        follow_and_exit(world, world.submit(of_release(request, world.store)).run_id, None, as_json=as_json)
