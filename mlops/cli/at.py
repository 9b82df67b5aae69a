"""`--at`: the option that names the world, the same for every verb that needs one."""

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from core.store import Store

if TYPE_CHECKING:
    from mlops.worlds.world import World

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class Place:
    """The world that the command line names; passed to a verb as `place`."""

    at: str
    """Name of a world, or an address."""
    endpoint: str = ""

    @contextmanager
    def opened(self, store: Store, *, in_containers: bool = False) -> "Iterator[World]":
        """Open the world with this machine's store; UsageError for an unknown name."""
        from mlops.worlds.table import open_world
        from mlops.worlds.world import Site

        with open_world(self.at, Site(store, os.environ, self.endpoint, in_containers)) as world:
            yield world

    @property
    def option(self) -> str:
        """The `--at` option that names this world again, to print in a command; empty for the default."""
        return f" --at {self.at}" if self.at != "laptop" else ""


def at_world(default: str = "laptop") -> Callable[[Command], Command]:
    """Add `--at` and `--endpoint` to a verb, which gets them as `place`."""

    def decorate(command: Command) -> Command:
        @click.option(
            "--at",
            metavar="laptop|kfp|s3://...",
            default=default,
            show_default=True,
            help="Where: this machine, Kubeflow Pipelines, or this machine with data and models at an address.",
        )
        @click.option(
            "--endpoint",
            envvar="KFP_ENDPOINT",
            default="",
            metavar="URL",
            help="With kfp, its API; default: the local cluster, through kubectl.",
        )
        @functools.wraps(command)
        def with_place(*args: Any, at: str, endpoint: str, **words: Any) -> Any:
            return command(*args, place=Place(at or default, endpoint), **words)

        return with_place  # type: ignore[return-value]

    return decorate


def run_place(store: Store, run_id: str) -> Place:
    """Return the world that a run was submitted to; MlopsError when there is no such run."""
    from mlops.runs.history import read_submission

    world = read_submission(store, run_id).world
    return Place(world, os.environ.get("KFP_ENDPOINT", ""))
