"""`mlops cloud`: brings an environment on Google Cloud up and down, with Terraform and gcloud."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from core.errors import UsageError
from core.store import Store

if TYPE_CHECKING:
    from mlops.actions.cloud import Environment, Programs

Command = TypeVar("Command", bound=Callable[..., Any])


def _on_environment(command: Command) -> Command:
    """Add what every verb here takes: the environment, where Terraform's files are, and --dry-run."""
    for decorate in (
        click.option("--dry-run", is_flag=True, help="Only print the commands; reach no cloud."),
        click.option(
            "--infra",
            default="infra",
            show_default=True,
            type=click.Path(path_type=Path),
            help="The folder of the Terraform root, in a checkout of this project.",
        ),
        click.argument("environment", metavar="dev|staging|prod"),
    ):
        command = decorate(command)
    return click.pass_obj(command)  # type: ignore[return-value]


def _confirmed(command: Command) -> Command:
    return click.option("--yes", is_flag=True, help="Do not ask.")(command)


@click.group()
def cloud() -> None:
    """Bring an environment on Google Cloud up and down; its values stand in infra/<environment>.tfvars.

    Every command of Terraform and gcloud is printed before it runs. They use your own credentials.
    """


@cloud.command()
@_on_environment
def bootstrap(store: Store, /, *, environment: str, infra: Path, dry_run: bool) -> None:
    """Create the bucket of Terraform's state and what else must be there before its first run; once a project."""
    from mlops.actions import cloud as action

    action.bootstrap(*_opened(store, environment, infra, dry_run=dry_run))


@cloud.command()
@click.option("--check", is_flag=True, help="Keep no plan; return 3 when something would change.")
@_on_environment
def plan(store: Store, /, *, environment: str, infra: Path, dry_run: bool, check: bool) -> None:
    """Show what `mlops cloud up` would change."""
    from mlops.actions import cloud as action

    (action.check_drift if check else action.plan)(*_opened(store, environment, infra, dry_run=dry_run))


@cloud.command()
@click.option("--repo", required=True, metavar="OWNER/NAME", help="The repository on GitHub.")
@_on_environment
def connect(store: Store, /, *, environment: str, infra: Path, dry_run: bool, repo: str) -> None:
    """Write what the workflows need for this environment into the repository's variables; after `mlops cloud up`.

    Creates the GitHub environments that are missing, for protected branches only. Nothing of it is a secret.
    """
    from mlops.actions import cloud as action

    written = action.connect(*_opened(store, environment, infra, dry_run=dry_run), repo)
    click.echo(
        f"\nwritten  {', '.join(written) or 'nothing'}\nnext     give prod its reviewers: Settings, Environments"
    )


@cloud.command()
@_confirmed
@_on_environment
def up(store: Store, /, *, environment: str, infra: Path, dry_run: bool, yes: bool) -> None:
    """Create or change the environment, and write the settings that `--at vertex` reads."""
    from mlops.actions import cloud as action

    chosen, programs = _opened(store, environment, infra, dry_run=dry_run)
    _check_can_ask(yes=yes or dry_run)
    action.plan(chosen, programs)
    _ask(f"Apply this plan to {chosen.project}?", yes=yes or dry_run)
    action.apply(chosen, programs)
    click.echo(f"\nnext  export MLOPS_DEPLOYMENT={chosen.deployment}")


@cloud.command()
@_confirmed
@_on_environment
def down(store: Store, /, *, environment: str, infra: Path, dry_run: bool, yes: bool) -> None:
    """Destroy the environment with its data and models; a protected one is refused. The state's bucket stays."""
    from mlops.actions import cloud as action

    chosen, programs = _opened(store, environment, infra, dry_run=dry_run)
    _check_can_ask(yes=yes or dry_run)
    _ask(f"Destroy everything in {chosen.project} that Terraform created, with data and models?", yes=yes or dry_run)
    action.down(chosen, programs)


def _opened(store: Store, name: str, infra: Path, *, dry_run: bool) -> "tuple[Environment, Programs]":
    from mlops.actions.cloud import Environment, Programs

    environment = Environment.of(name, infra, store.root)
    return environment, Programs(click.echo, dry_run, environment.variables)


def _check_can_ask(*, yes: bool) -> None:
    if not yes and not sys.stdin.isatty():
        raise UsageError("this is not a terminal, so nobody can be asked: wanted --yes")


def _ask(question: str, *, yes: bool) -> None:
    if not yes:
        click.confirm(question, abort=True)
