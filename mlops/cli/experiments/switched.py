"""What the verbs share that run a use case with one stage switched on: options, following, and the result."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from core.store import Store
from mlops.cli.at import ChosenWorld, at_world, span_option

if TYPE_CHECKING:
    from mlops.worlds.world import RunRequest

set_option = click.option(
    "--set", "changes", multiple=True, metavar="KEY=VALUE", help="A key of the section, in YAML; repeatable."
)
no_cache_option = click.option("--no-cache", is_flag=True, help="Ignore cached results.")
_OPTIONS = (
    click.argument("usecase"),
    at_world(),
    set_option,
    click.option("--pipeline", default="level0", show_default=True, help="Which pipeline; level0 pushes nothing."),
    span_option,
    no_cache_option,
)


class Found(NamedTuple):
    """The output of a stage that a verb prints."""

    stage: str
    output: str
    read: Callable[[Path], Any]
    show: Callable[[Any], None]
    """Prints it for people."""


def switched_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def follow_and_show(store: Store, chosen: ChosenWorld, request: "RunRequest", found: Found, *, as_json: bool) -> None:
    """Submit a run, follow it to its end, print what its stage found, and exit with the run's code."""
    from mlops.actions.experiments.switched_on import made_by
    from mlops.cli.ended import print_outcome
    from mlops.cli.main import print_json
    from mlops.worlds.finished import follow_to_end
    from mlops.worlds.progress import shown

    with chosen.open(store) as world, shown(quiet=as_json) as watcher:
        run_id = world.submit(request).run_id
        outcome, report = follow_to_end(world, run_id, watcher)
    if outcome.failed is None:
        value = found.read(made_by(store, run_id, found.stage, found.output))
        if as_json:
            print_json(value.model_dump(mode="json") | {"run_id": run_id, "report": str(report)})
        else:
            found.show(value)
    if not as_json or outcome.failed is not None:
        print_outcome(outcome, report, as_json=as_json)
    sys.exit(outcome.exit_code)
