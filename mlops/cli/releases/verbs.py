"""`mlops release`: records by digest, promoted from environment to environment without changing a byte."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from core.store import Store

if TYPE_CHECKING:
    from artifacts.release.promotion import Promoter
    from core.decision import Decision
    from mlops.actions.promotion import Mover

Command = TypeVar("Command", bound=Callable[..., Any])

_store = click.option(
    "--store",
    "address",
    metavar="FOLDER|s3://...|gs://...",
    default="",
    help="Where the releases and models are; default: this machine's store (MLOPS_HOME, MLOPS_STORE).",
)
_environments = click.option(
    "--environments",
    "declared",
    envvar="MLOPS_ENVIRONMENTS",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file that declares the environments; default: usecases/environments.yaml.",
)
_evidence = click.option(
    "--evidence",
    multiple=True,
    metavar="KIND=FILE",
    help="tests=FILE (a report in JUnit's format with the property `commit`), model_card=FILE or model_bill=FILE; "
    "repeatable. The cards of the run's own write_cards are added without it.",
)
_bundle = click.option(
    "--bundle",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="A file with the attestations of the release; without it, gh asks GitHub for them.",
)
_again = click.option("--again", is_flag=True, help="Allow a release that was rolled back in that environment.")
_why = click.option("--why", required=True, metavar="REASON", help="The reason, kept in the environment's log.")
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group()
def release() -> None:
    """Create releases, and promote them from environment to environment.

    RELEASE is an id (sha256:..., or at least 8 of its digits), or USECASE@ENVIRONMENT for what that environment runs.
    """


@release.command()
@click.argument("run_id")
@_evidence
@_store
@_json
@click.pass_obj
def create(store: Store, *, run_id: str, evidence: tuple[str, ...], address: str, as_json: bool) -> None:
    """Create the release of RUN_ID, or of the `newest` run.

    It is one record of the run's pipeline, images, configuration, model and evidence. The same run and evidence give
    the same release. The record's digest is its id.
    """
    from artifacts.release.store import Releases
    from mlops.actions.new_release import create_release
    from mlops.actions.released import described
    from mlops.actions.run_list import find_run
    from mlops.cli.main import print_json

    chosen = _chosen(store, address)
    release_id, created = create_release(chosen, find_run(chosen, run_id), evidence)
    if as_json:
        print_json(described(release_id, created) | {"path": Releases(chosen.releases).address(release_id)})
    else:
        click.echo(f"{release_id}\nrecord  {Releases(chosen.releases).address(release_id)}")


@release.command("list")
@click.argument("usecase", default="")
@click.option("--env", "environment", default="", help="Show the history of this environment: who, what, why, when.")
@_store
@_json
@click.pass_obj
def list_(store: Store, *, usecase: str, environment: str, address: str, as_json: bool) -> None:
    """List the releases of USECASE, or of all, and what the environments run."""
    from mlops.actions.released import history, listed
    from mlops.cli.main import print_json
    from mlops.cli.releases import view
    from pipelines.config import name_of

    chosen, name = _chosen(store, address), name_of(usecase) if usecase else ""
    found = history(chosen, name, environment) if environment else listed(chosen, name)
    if as_json:
        print_json(found)
    else:
        view.show(found)


@release.command()
@click.argument("name", metavar="RELEASE")
@_store
@_json
@click.pass_obj
def show(store: Store, *, name: str, address: str, as_json: bool) -> None:
    """Show the record of RELEASE, and which environments run it."""
    from artifacts.release.store import Releases
    from mlops.actions.released import shown
    from mlops.cli.main import print_json
    from mlops.cli.releases import view

    chosen = _chosen(store, address)
    found = shown(chosen, Releases(chosen.releases).find(name))
    if as_json:
        print_json(found)
    else:
        view.show_release(found)


@release.command()
@click.argument("name", metavar="RELEASE")
@click.option("--env", "environment", default="", help="Also check what a promotion to this environment demands.")
@_evidence
@_bundle
@_again
@_environments
@_store
@_json
@click.pass_obj
def verify(store: Store, /, *, name: str, environment: str, address: str, as_json: bool, **offered: Any) -> None:
    """Check every byte of RELEASE against its digests; with --env, decide as a promotion would, and move nothing.

    Returns 3 when a check does not pass.
    """
    promoter, release_id = _opened(_chosen(store, address), name, offered.pop("declared") if environment else None)
    decision = (
        promoter.decide(release_id, environment, _offered(offered)).decision
        if environment
        else promoter.verify(release_id)
    )
    _print_decision(release_id, decision, as_json=as_json)
    if not decision.is_open:
        raise click.exceptions.Exit(3)


@release.command()
@click.argument("name", metavar="RELEASE")
@click.option("--to", "to", required=True, metavar="ENV", help="The environment to move.")
@click.option("--from", "came_from", default="", metavar="ENV", help="Refuse unless --to comes after this environment.")
@_why
@_evidence
@_bundle
@_again
@_environments
@_store
@_json
@click.pass_obj
def promote(store: Store, /, *, name: str, to: str, why: str, address: str, as_json: bool, **offered: Any) -> None:
    """Point an environment to RELEASE, after checking its digests, evidence, order and attestation.

    Nothing is copied. Returns 3 when a check does not pass, 1 when the environment was moved meanwhile.
    """
    from artifacts.release.environment_log import Note
    from artifacts.release.store import Releases
    from mlops.cli.main import print_json

    chosen, way = _chosen(store, address), (offered.pop("came_from"), to)
    release_id = Releases(chosen.releases).find(name)
    move = _mover(chosen, offered.pop("declared")).promote(release_id, way, Note.mine(why), _offered(offered))
    if as_json:
        print_json(move.model_dump(mode="json"))
        return
    click.secho(f"{to} runs release {release_id[:19]} of {move.usecase} now.", fg="green", bold=True)
    click.echo(
        f"before  {move.before or 'nothing'}\nundo    mlops release rollback {move.usecase} --env {to} --why REASON"
    )


@release.command()
@click.argument("usecase")
@click.option("--env", "environment", required=True, metavar="ENV", help="The environment to move.")
@click.option("--to", "to", default="", metavar="RELEASE", help="An earlier release; default: the one before.")
@_why
@_environments
@_store
@_json
@click.pass_obj
def rollback(
    store: Store,
    *,
    usecase: str,
    environment: str,
    to: str,
    why: str,
    declared: Path | None,
    address: str,
    as_json: bool,
) -> None:
    """Point an environment back to the release that it ran before; one whose bytes are not intact is skipped."""
    from artifacts.release.environment_log import Note
    from artifacts.release.store import Releases
    from mlops.cli.main import print_json
    from pipelines.config import name_of

    chosen = _chosen(store, address)
    release_id = Releases(chosen.releases).find(to) if to else None
    move = _mover(chosen, declared).roll_back(name_of(usecase), environment, Note.mine(why), release_id)
    if as_json:
        print_json(move.model_dump(mode="json"))
        return
    click.secho(f"{environment} runs release {move.release[:19]} of {move.usecase} again.", fg="green", bold=True)


def _chosen(store: Store, address: str) -> Store:
    from dataclasses import replace

    from core import objects

    if objects.is_address(address):
        return replace(store, objects=objects.checked(address))
    return Store(Path(address).expanduser().absolute()) if address else store


def _opened(store: Store, name: str, declared: Path | None) -> "tuple[Promoter, str]":
    from artifacts.release.store import Releases

    return _promoter(store, declared), Releases(store.releases).find(name)


def _promoter(store: Store, declared: Path | None) -> "Promoter":
    from artifacts.release.promotion import Promoter
    from artifacts.release.store import Releases
    from pipelines.environments import load_environments

    return Promoter(Releases(store.releases), store.registry, load_environments(declared))


def _mover(store: Store, declared: Path | None) -> "Mover":
    from mlops.actions.promotion import Mover
    from pipelines.environments import load_environments

    return Mover(store, load_environments(declared), lambda line: click.echo(line, err=True))


def _offered(given: dict[str, Any]) -> Any:
    from artifacts.release.promotion import Offered

    return Offered(given["evidence"], given["bundle"], given["again"])


def _print_decision(release_id: str, decision: "Decision", *, as_json: bool) -> None:
    from mlops.cli.main import print_json

    if as_json:
        print_json({"release": release_id, "decision": decision.model_dump(mode="json")})
        return
    colours = {"pass": "green", "fail": "red", "undecided": "yellow"}
    click.secho(release_id, bold=True)
    for check in decision.checks:
        mark = click.style(f"{check.verdict.value:>9}", fg=colours[check.verdict.value])
        click.echo(f"{mark}  {check.rule}" + (f": {check.observed}" if check.observed else ""))
        if check.next_step:
            click.echo(f"           → {check.next_step}")
