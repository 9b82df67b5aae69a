"""Options that several verbs share: `--at`, which names a world, `--span` and `--version`."""

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from core.store import Store

if TYPE_CHECKING:
    from mlops.worlds.world import World

Command = TypeVar("Command", bound=Callable[..., Any])

span_option = click.option(
    "--span",
    metavar="NUMBER|DATE|newest",
    help="The newest span to use; default: the one that the use case names.",
)
version_option = click.option(
    "--version",
    type=click.IntRange(min=1),
    help="The model version to predict with; default: the one in production.",
)


@dataclass(frozen=True)
class ChosenWorld:
    """The world that `--at` names; passed to a verb as `chosen`."""

    at: str
    """Name of a world, or the address of an object store."""
    endpoint: str = ""
    """Address of the world's API; empty for the local one."""

    @contextmanager
    def open(self, store: Store, *, in_containers: bool = False, runs: bool = False) -> "Iterator[World]":
        """Open the world with this machine's store while the block runs; UsageError for an unknown name.

        The block `runs` a pipeline: then the workers of this machine begin before the world itself is imported.
        """
        with ExitStack() as stack:
            hosts = None
            if runs and self.at == "laptop" and not in_containers:
                from mlops.worlds.machine.workers import started

                hosts = stack.enter_context(started(store, os.environ))
            from mlops.worlds.table import open_world
            from mlops.worlds.world import WorldContext

            context = WorldContext(store, os.environ, self.endpoint, in_containers, keeps_workers=True, hosts=hosts)
            yield stack.enter_context(open_world(self.at, context))

    @property
    def option(self) -> str:
        """The `--at` option to print in a command for this world; empty for the default."""
        return f" --at {self.at}" if self.at != "laptop" else ""


def at_world(default: str = "laptop") -> Callable[[Command], Command]:
    """Add `--at` and `--endpoint` to a verb, which gets them as `chosen`."""

    def decorate(command: Command) -> Command:
        @click.option(
            "--at",
            metavar="laptop|kfp|vertex|s3://...|gs://...",
            default=default,
            show_default=True,
            help="Where: this machine, Kubeflow Pipelines, Vertex AI, or this machine with an object store.",
        )
        @click.option(
            "--endpoint",
            envvar="KFP_ENDPOINT",
            default="",
            metavar="URL",
            help="The API of Kubeflow Pipelines; default: the local cluster, through kubectl.",
        )
        @functools.wraps(command)
        def with_world(*args: Any, at: str, endpoint: str, **options: Any) -> Any:
            return command(*args, chosen=ChosenWorld(at or default, endpoint), **options)

        return with_world  # type: ignore[return-value]

    return decorate


def world_of_run(store: Store, run_id: str) -> ChosenWorld:
    """Return the world that a run was submitted to; MlopsError when there is no such run."""
    from mlops.runs.history import read_submission

    world = read_submission(store, run_id).world
    return ChosenWorld(world, os.environ.get("KFP_ENDPOINT", ""))
