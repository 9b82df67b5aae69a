"""`mlops submit`: submits a pipeline to a world; with --wait, follows it to its end."""

from shlex import quote

import click

from core.store import Store
from mlops.cli.at import ChosenWorld, at_world, span_option, version_option

deadline_option = click.option(
    "--deadline",
    type=click.FloatRange(min=0.1),
    default=15.0,
    show_default=True,
    metavar="MINUTES",
    help="How long to wait.",
)


@click.command()
@click.argument("usecase")
@at_world("kfp")
@click.option("--pipeline", default="level1", show_default=True, help="Which pipeline; or release:RELEASE.")
@span_option
@version_option
@click.option("--no-cache", is_flag=True, help="Ignore cached results.")
@click.option("--wait", is_flag=True, help="Follow the run to its end, and report it as `mlops run` does.")
@deadline_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def submit(
    store: Store,
    *,
    usecase: str,
    chosen: ChosenWorld,
    pipeline: str,
    span: str | None,
    version: int | None,
    no_cache: bool,
    wait: bool,
    deadline: float,
    as_json: bool,
) -> None:
    """Submit a pipeline of USECASE: the file that `mlops compile` writes, with pinned data and champion.

    With --wait, returns 3 when a gate is closed, and 1 when a task failed or the deadline passed; the run can then be
    followed again. On the laptop a run starts when it is followed.
    """
    from mlops.cli.ended import follow_and_exit
    from mlops.cli.main import print_json
    from mlops.worlds.pinned import of_release
    from mlops.worlds.world import RunRequest
    from pipelines.config import find, load

    request = RunRequest(load(find(usecase)), pipeline, span, cache=not no_cache, version=version)
    with chosen.open(store) as world:
        submitted = world.submit(of_release(request, world.store))
        if wait:
            follow_and_exit(world, submitted.run_id, deadline, as_json=as_json)
    if as_json:
        facts = {"run_id": submitted.run_id, "world": world.name, "folder": str(submitted.folder)}
        print_json({**facts, "is_repeat": submitted.is_repeat})
    else:
        if submitted.is_repeat:
            click.echo("note    the same was submitted before; this is that run")
        click.echo(f"run     {submitted.run_id}\nnext    mlops runs follow {quote(submitted.run_id)}")
