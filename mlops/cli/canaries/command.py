"""`mlops models canary` and `promote`: try a version on a share of the requests, and put it into production."""

import getpass
import socket
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from core.store import Store
from mlops.cli.canaries import view

if TYPE_CHECKING:
    from core.backends.canary import CanaryPlan, Note
    from core.backends.registry import Registry

_Command = TypeVar("_Command", bound=Callable[..., Any])
_ENDED_WELL = frozenset({"promote", "pass"})
_OPTIONS = (
    click.option("--percent", type=float, help="The share of the requests; for a canary that runs, its new share."),
    click.option("--steps", metavar="LIST", help="Shares in order, such as 5,25,100; 0 is shadow mode, 100 promotion."),
    click.option("--shadow", is_flag=True, help="Begin in shadow mode: answers are compared, and never returned."),
    click.option("--key", metavar="header:NAME|column:FEATURE", help="Requests with one key get one version."),
    click.option("--error-rise", type=float, help="Most that the share of failed requests may rise; 0.01."),
    click.option("--slowdown", type=float, help="Most that the slowest tenth may slow down, as a factor; 1.5."),
    click.option("--shift", type=float, help="Most that the distribution of scores may shift (KS distance); 0.2."),
    click.option("--bake", "bake_seconds", type=float, help="Shortest time of a step in seconds; 60."),
    click.option("--alpha", type=float, help="Chance of a wrong decision per step; 0.01."),
    click.option("--why", default="", help="The reason, kept in the registry."),
    click.option("--override", default="", metavar="REASON", help="Try a run's model although a gate is closed."),
    click.option("--wait", is_flag=True, help="Wait until the canary has passed, is promoted or is aborted."),
)


def options(command: _Command) -> _Command:
    """Add the options of `canary` to a command, in the order above."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def canary(store: Store, name: str, run_or_version: str | None, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Start a canary, change its share, or only read it; return it as JSON.

    Raises GateClosed when a canary that was waited for ended without promotion.
    """
    from core.backends import rollout
    from core.backends.registry import open_registry
    from core.errors import UsageError
    from mlops.actions.candidate_version import version_of

    registry = open_registry(store.registry)
    why = note(settings["why"] or settings["override"])
    if run_or_version is not None:
        plan = _plan(settings)
        version = version_of(store, name, run_or_version, settings["override"])
        rollout.begin(registry, name, version.version, plan, why)
    elif settings["percent"] is not None:
        rollout.set_percent(registry, name, settings["percent"], why)
    elif given := [option for option in ("steps", "shadow", "key") if settings[option]]:
        raise UsageError(
            f"--{given[0]} is for the start of a canary: wanted the RUN or VERSION to try with it, got none"
        )
    if settings["wait"]:
        _wait(registry, name)
    return view.describe(store, registry, name)


def promote(store: Store, name: str, override: str) -> dict[str, Any]:
    """Put the canary that runs into production, and return it; GateClosed while it has not passed."""
    from core.backends import rollout
    from core.backends.registry import open_registry

    promoted = rollout.promote(open_registry(store.registry), name, note(override), override=bool(override.strip()))
    return {"name": name, "version": promoted.to.version, "digest": promoted.to.digest}


def note(why: str) -> "Note":
    """Say who runs this command, and why."""
    from core.backends.canary import Note

    return Note(f"{getpass.getuser()}@{socket.gethostname()}", why.strip())


def _plan(settings: Mapping[str, Any]) -> "CanaryPlan":
    from core.backends.canary import CanaryPlan
    from core.errors import UsageError

    if settings["percent"] is not None and settings["steps"]:
        raise UsageError("wanted --percent or --steps, and not both: --steps 5,25,100 begins with 5 percent")
    try:
        steps = tuple(float(step) for step in settings["steps"].split(",")) if settings["steps"] else ()
    except ValueError:
        raise UsageError(f"--steps: wanted percents such as 5,25,100, got {settings['steps']!r}") from None
    steps = steps or ((settings["percent"],) if settings["percent"] is not None else ())
    if settings["shadow"] and (not steps or steps[0] != 0):
        steps = (0.0, *steps)
    fields = ("key", "error_rise", "slowdown", "shift", "bake_seconds", "alpha")
    given: dict[str, Any] = {field: settings[field] for field in fields if settings[field] is not None}
    if steps:
        given["steps"] = steps
    return CanaryPlan(**given)


def _wait(registry: "Registry", name: str) -> None:
    """Wait until the canary has passed its last step or has ended; GateClosed when it ended without promotion."""
    from core.errors import GateClosed

    while (state := registry.state(name)).canary is not None:
        if state.canary.passed and state.canary.next_percent is None:
            return
        time.sleep(1.0)
    if not state.rollouts or state.rollouts[-1]["action"] not in _ENDED_WELL:
        ended = state.rollouts[-1] if state.rollouts else {"action": "never started"}
        raise GateClosed(
            f"{name}: wanted the canary to pass, got {ended['action']}: {ended.get('why', '')}; the champion answers "
            f"all requests; `mlops models canary {name}` shows the numbers"
        )
