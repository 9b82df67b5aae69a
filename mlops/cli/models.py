"""`mlops models`: the versions of each model, the run that made each, and which one is in production."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from core.store import Store
from mlops.cli.at import ChosenWorld, at_world
from mlops.cli.canaries import command, view
from mlops.cli.versions import printed
from mlops.cli.vertex.sync import sync

if TYPE_CHECKING:
    from core.backends.metadata import Lineage
    from core.backends.registry import ModelVersion, Registry


def _at(verb: Callable[..., None]) -> Callable[..., None]:
    """Add `--at` to a verb, and pass it the store of that world."""

    @at_world()
    @functools.wraps(verb)
    def at_a_store(store: Store, *, chosen: ChosenWorld, **options: Any) -> None:
        with chosen.open(store) as world:
            verb(world.store, **options)

    return at_a_store


@click.group()
def models() -> None:
    """List, show, push and roll back model versions."""


models.add_command(sync)


@models.command("list")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
@_at
def list_(store: Store, name: str | None, as_json: bool) -> None:
    """List the versions of NAME, or of all models."""
    from core.backends.registry import open_registry
    from mlops.cli.main import print_json

    registry = open_registry(store.registry)
    found = [_listed(registry, one) for one in ([_known(registry, name)] if name else registry.names())]
    if as_json:
        print_json({"models": found})
        return
    if not found:
        click.echo("No model yet; train one with: mlops run flight_delay")
    for model in found:
        printed.versions(model)


@models.command()
@click.argument("name")
@click.argument("version", type=click.IntRange(min=1), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
@_at
def show(store: Store, name: str, version: int | None, as_json: bool) -> None:
    """Show where VERSION of NAME comes from; without VERSION, the one in production."""
    from core.backends.metadata import LineageError, open_metadata
    from core.backends.registry import open_registry
    from core.errors import RegistryError
    from mlops.cli.main import print_json

    registry = open_registry(store.registry)
    found = registry.get(_known(registry, name), version) if version else registry.champion(_known(registry, name))
    if found is None:
        raise RegistryError(
            f"{name}: no version is in production; name a version that `mlops models list {name}` shows"
        )
    events = [dict(event) for event in registry.state(name).rollouts if event["version"] == found.version]
    lineage, missing = None, ""
    try:
        lineage = open_metadata(store.metadata).lineage(name, found.version, found.digest)
    except LineageError as error:
        missing = str(error)
    if as_json:
        print_json(
            _version(found)
            | {"about": dict(found.about), "lineage": _lineage(lineage), "history": list(registry.history(name))}
            | {"rollouts": events}
        )
        return
    printed.one_version(found)
    view.show_events(events)
    printed.lineage(lineage, missing)


@models.command()
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@click.option("--run", "run_id", default="", metavar="RUN", help="Whose rows to predict; default: the newest run's.")
@click.option("--html", default="", metavar="FILE", help="Where to write the page; default: in the store.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
@_at
def compare(store: Store, *, before: str, after: str, run_id: str, html: str, as_json: bool) -> None:
    """Compare models A and B on the same rows: quality, slices, groups, size and latency.

    Each is NAME for the version in production, NAME@VERSION, or the folder of a trained model (with a `/` in it).
    """
    from mlops.cli.versions.comparison import show as shown

    shown(store, (before, after), run_id, html, as_json=as_json)


@models.command()
@click.argument("run_id")
@click.option(
    "--override",
    default="",
    metavar="REASON",
    help="Push although a gate is closed; the reason is kept with the version.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
@_at
def push(store: Store, run_id: str, override: str, as_json: bool) -> None:
    """Put the model of RUN_ID, or of the `newest` run, into production.

    Returns 3 when a gate of the run is closed, unless --override gives a reason.
    """
    from mlops.actions.release import push_by_hand
    from mlops.actions.run_list import find_run
    from mlops.cli.main import print_json

    released = push_by_hand(store, find_run(store, run_id), override.strip())
    if as_json:
        print_json(_version(released.version) | {"overridden": list(released.closed)})
        return
    for check in released.closed:
        click.secho(f"overridden: {check}", fg="yellow", err=True)
    printed.in_production(released.version)


@models.command()
@click.argument("name")
@click.argument("version", type=click.IntRange(min=1), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
@_at
def sign(store: Store, name: str, version: int | None, as_json: bool) -> None:
    """Sign VERSION of NAME, or the one in production, with the key that MLOPS_SIGNING_KEY names.

    Whoever has the public key in MLOPS_TRUSTED_KEYS then loads no version without such a signature (docs/security.md).
    """
    from core.backends.registry import open_registry
    from core.errors import RegistryError
    from mlops.cli.main import print_json

    registry = open_registry(store.registry)
    pointer = registry.pointer(_known(registry, name))
    number = version or (pointer.version if pointer else None)
    if number is None:
        raise RegistryError(f"{name}: no version is in production; name the one to sign")
    signed = registry.sign(_known(registry, name), number)
    if as_json:
        print_json(_version(signed))
        return
    click.echo(f"Version {signed.version} of {signed.name} is signed with the key {signed.signed_by}.")


@models.command()
@click.argument("name")
@click.option("--why", default="", help="The reason, kept in the registry where a canary is ended.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
@_at
def rollback(store: Store, name: str, why: str, as_json: bool) -> None:
    """Undo the last change: end NAME's canary, or put the version back into production that was there before."""
    from core.backends.registry import open_registry
    from mlops.cli.main import print_json

    registry = open_registry(store.registry)
    before = registry.state(_known(registry, name))
    version = registry.rollback(_known(registry, name), command.note(why))
    if as_json:
        print_json(_version(version) | {"ended_canary": before.canary.to.version if before.canary else None})
        return
    if before.canary is not None:
        click.echo(f"The canary, version {before.canary.to.version}, has ended; once more moves the champion back.")
    printed.in_production(version)


@models.command()
@click.argument("name")
@click.argument("run_or_version", required=False)
@command.options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
@_at
def canary(store: Store, name: str, run_or_version: str | None, as_json: bool, **settings: Any) -> None:
    """Try RUN_OR_VERSION on a share of NAME's requests, beside the champion; without it, show the canary that runs.

    The server compares both on the same traffic. It aborts a canary that fails, is slow or scores otherwise, and goes
    to the next step of --steps when it has enough requests to exclude that. Returns 3 when --wait ends in an abort.
    """
    from core.backends.registry import open_registry
    from mlops.cli.main import print_json

    described = command.canary(store, _known(open_registry(store.registry), name), run_or_version, settings)
    if as_json:
        print_json(described)
        return
    view.show(described)


@models.command()
@click.argument("name")
@click.option("--override", default="", metavar="REASON", help="Promote a canary that is undecided.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
@_at
def promote(store: Store, name: str, override: str, as_json: bool) -> None:
    """Put NAME's canary into production; returns 3 while its comparison has not passed."""
    from core.backends.registry import open_registry
    from mlops.cli.main import print_json

    registry = open_registry(store.registry)
    promoted = command.promote(store, _known(registry, name), override)
    if as_json:
        print_json(promoted)
        return
    printed.in_production(registry.get(name, promoted["version"]))


def _known(registry: "Registry", argument: str) -> str:
    """Return the name of a model, given that or the path of its use case; RegistryError when it was never pushed."""
    from core.errors import RegistryError, did_you_mean
    from pipelines.config import name_of

    name = name_of(argument)
    if name not in registry.names():
        raise RegistryError(f"no model {name!r} was ever pushed{did_you_mean(name, registry.names())}")
    return name


def _version(version: "ModelVersion") -> dict[str, Any]:
    return {
        "name": version.name,
        "version": version.version,
        "digest": version.digest,
        "path": version.address,
        "created": version.created,
        "signed_by": version.signed_by,
    }


def _listed(registry: "Registry", name: str) -> dict[str, Any]:
    from core.backends.production import Production
    from core.errors import CorruptArtifact

    try:
        state = registry.state(name)
    except CorruptArtifact:
        state = Production()  # problems() reports it
    champion, tried = state.champion, state.canary
    versions = [
        _version(one)
        | {"champion": champion is not None and one.version == champion.version, "spans": one.about.get("spans", [])}
        for one in registry.versions(name)
    ]
    return {
        "name": name,
        "champion": champion.version if champion else None,
        "canary": {"version": tried.to.version, "percent": tried.percent} if tried else None,
        "versions": versions,
        "problems": registry.problems(name),
    }


def _lineage(lineage: "Lineage | None") -> dict[str, Any] | None:
    from dataclasses import asdict
    from json import dumps, loads

    return None if lineage is None else dict(loads(dumps(asdict(lineage.run), default=str)))
