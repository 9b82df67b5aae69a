"""`mlops endpoint`: a model behind its Vertex AI endpoint: deployed, tried on a share of the traffic, rolled back."""

import os
from typing import TYPE_CHECKING, Any

import click

from core.store import Store

if TYPE_CHECKING:
    from core.backends.canary import CanaryPlan
    from core.backends.pointer import Pointer
    from mlops.actions.endpoint.target import Target


@click.group()
def endpoint() -> None:
    """Deploy models behind their Vertex AI endpoint, and move its traffic.

    The registry says which version gets the traffic; each verb can be killed, and run again.
    """


@endpoint.command()
@click.argument("name")
@click.argument("version", type=click.IntRange(min=1), required=False)
@click.pass_obj
def deploy(store: Store, name: str, version: int | None) -> None:
    """Deploy the version of NAME that is in production, and give it the traffic; another VERSION gets none.

    Whatever has the traffic gives it up: this also repairs what somebody changed by hand.
    Returns 3 when the version does not answer its own rows; the traffic is as before then.
    """
    from mlops.actions.endpoint import verbs

    target = _target(store, name)
    model = verbs.deploy(target, _pointer(target, version) if version else None)
    click.secho(f"{model.name[:20]} is deployed as {model.id}.", fg="green", bold=True)


@endpoint.command()
@click.argument("name")
@click.argument("run_or_version", required=False)
@click.option("--steps", default="5,25,100", show_default=True, metavar="LIST", help="Whole percents of the traffic.")
@click.option("--error-rise", type=float, help="Most that the share of failed requests may rise; 0.01.")
@click.option("--slowdown", type=float, help="Most that the slowest tenth may slow down, as a factor; 1.5.")
@click.option("--bake", type=float, default=600, show_default=True, help="Shortest time of a step in seconds.")
@click.option("--step-seconds", type=float, default=3600, show_default=True, help="Longest time without a decision.")
@click.option("--why", default="", help="The reason, kept in the registry.")
@click.option("--override", default="", metavar="REASON", help="Go on when a step is undecided for so long.")
@click.pass_obj
def canary(store: Store, /, name: str, run_or_version: str | None, why: str, **options: Any) -> None:
    """Try RUN_OR_VERSION on a rising share of NAME's traffic; without it, go on with the canary that runs.

    Between the steps its health, its own rows, the share of failed requests and their time are checked. One that fails
    is rolled back and removed. The old version stays deployed until `finish`.
    Returns 3 when it was rolled back, or a step stays undecided.
    """
    from mlops.actions.candidate_version import version_of
    from mlops.actions.endpoint import verbs
    from mlops.cli.canaries.command import note

    world = _world(store)
    target = _target(store, name)
    pointer = None
    if run_or_version is not None:
        pointer = _pointer(target, version_of(world.store, name, run_or_version, options["override"]).version)
    waiting = verbs.Waiting(options["step_seconds"], options["override"])
    ended = verbs.canary(target, pointer, _plan(options), note(why or options["override"]), waiting)
    click.secho(f"{name}: {ended}; `mlops endpoint finish {name}` removes the old version.", fg="green", bold=True)


@endpoint.command()
@click.argument("name")
@click.option("--why", default="", help="The reason, kept in the registry.")
@click.option("--override", default="", metavar="REASON", help="Put a canary into production that is undecided.")
@click.pass_obj
def finish(store: Store, name: str, why: str, override: str) -> None:
    """Put NAME's canary into production, if one passed, and remove the versions without traffic."""
    from mlops.actions.endpoint import verbs
    from mlops.cli.canaries.command import note

    removed = verbs.finish(_target(store, name), note(why or override), override.strip())
    click.secho(f"{name}: finished; {len(removed)} removed.", fg="green", bold=True)


@endpoint.command()
@click.argument("name")
@click.option(
    "--from", "version", type=click.IntRange(min=1), help="The version to go back from; else nothing is done."
)
@click.option("--why", default="", help="The reason, kept in the registry.")
@click.pass_obj
def rollback(store: Store, name: str, version: int | None, why: str) -> None:
    """End NAME's canary, or put back the version that was in production before: first its traffic."""
    from mlops.actions.endpoint import verbs
    from mlops.cli.canaries.command import note

    champion = verbs.rollback(_target(store, name), note(why), version)
    click.secho(f"Version {champion.version} of {name} has the traffic.", fg="green", bold=True)


@endpoint.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def status(store: Store, name: str, as_json: bool) -> None:
    """Show what NAME's endpoint serves; returns 1 when that is not what the registry says."""
    from mlops.actions.endpoint.status import status as found
    from mlops.cli.main import print_json

    described = found(_target(store, name))
    if as_json:
        print_json(described)
    else:
        _show(described)
    if described["differences"]:
        raise SystemExit(1)


def _world(store: Store) -> Any:
    from mlops.worlds.vertex.world import Vertex
    from mlops.worlds.world import WorldContext

    return Vertex(WorldContext(store, os.environ))


def _target(store: Store, name: str) -> "Target":
    from mlops.actions.endpoint.opened import open_target
    from pipelines.config import name_of

    return open_target(_world(store), name_of(name), lambda line: click.echo(line, err=True))


def _pointer(target: "Target", version: int) -> "Pointer":
    from core.backends.pointer import Pointer

    found = target.registry.get(target.name, version)
    return Pointer(found.version, found.digest)


def _plan(options: dict[str, Any]) -> "CanaryPlan":
    from core.backends.canary import CanaryPlan
    from core.errors import UsageError

    try:
        steps = tuple(float(step) for step in options["steps"].split(","))
    except ValueError:
        raise UsageError(f"--steps: wanted percents such as 5,25,100, got {options['steps']!r}") from None
    given = {field: options[field] for field in ("error_rise", "slowdown") if options[field] is not None}
    return CanaryPlan(steps=steps, bake_seconds=options["bake"], **given)


def _show(described: dict[str, Any]) -> None:
    from mlops.cli.canaries.view import show_events

    click.secho(f"{described['name']}  {described['endpoint']}", bold=True)
    canary = described["canary"]
    tried = f"; version {canary['version']} is a canary, {canary['percent']:g} %" if canary else ""
    click.echo(f"version {described['champion']} is in production{tried}")
    for one in described["deployed"]:
        replicas = f"{one['available'] if one['available'] is not None else '?'} of {one['min_replicas']}"
        version = one["version"] if one["version"] is not None else f"foreign ({one['name']})"
        click.echo(f"  {one['percent']:>3} %  version {version}  {one['id']}  {one['machine']}, {replicas} replicas")
    for difference in described["differences"]:
        click.secho(f"  {difference}", fg="red")
    show_events(described["events"][-8:])
