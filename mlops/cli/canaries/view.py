"""What is shown of a canary: the share, the latest comparison, and what happened before."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from core.store import Store

if TYPE_CHECKING:
    from core.backends.canary import Canary
    from core.backends.registry import Registry


def describe(store: Store, registry: "Registry", name: str) -> dict[str, Any]:
    """Return the canary that runs, its latest comparison on this machine, and all events, as JSON."""
    state = registry.state(name)
    found = state.canary
    return {
        "name": name,
        "champion": state.champion.version if state.champion else None,
        "canary": _running(store, name, found) if found else None,
        "events": [dict(event) for event in state.rollouts],
    }


def show(described: Mapping[str, Any]) -> None:
    """Print what `describe` returned."""
    found = described["canary"]
    if found is None:
        click.echo(f"{described['name']}: no canary runs; version {described['champion']} is in production")
    else:
        share = "in shadow mode" if found["percent"] == 0 else f"{found['percent']:g} % of the requests"
        after = found["next_percent"]
        then = "" if after is None else "; then promotion" if after == 100 else f"; then {after:g} %"
        click.secho(f"{described['name']}: version {found['version']} is a canary, {share}{then}", bold=True)
        click.echo(f"against version {described['champion']}, by {found['key']}, since {found['since']}")
        print_decision(found["decision"])
    show_events(described["events"][-8:])


def print_decision(decision: Mapping[str, Any] | None) -> None:
    """Print the checks of a comparison."""
    if decision is None:
        click.echo("nothing is compared yet on this machine: a canary needs a running `mlops serve` and requests")
        return
    for check in decision["checks"]:
        click.echo(f"  {check['verdict']:<9} {check['rule']}: {check['observed']}")


def show_events(events: list[dict[str, Any]]) -> None:
    """Print events of canaries, one a line."""
    for event in events:
        why = f": {event['why']}" if event.get("why") else ""
        share = f"{event['percent']:g} %"
        click.echo(
            f"  {event['at'][:16].replace('T', ' ')}  {event['action']:<10} version {event['version']}  {share:>6}  "
            f"{event.get('by', '')}{why}"
        )


def _running(store: Store, name: str, found: "Canary") -> dict[str, Any]:
    from serving.rollout.outcome import OUTCOMES, Outcomes

    return {
        "version": found.to.version,
        "digest": found.to.digest,
        "percent": found.percent,
        "next_percent": found.next_percent,
        "key": found.plan.key,
        "since": found.since,
        "passed": found.passed,
        "decision": Outcomes(store.root / "serving" / OUTCOMES).read(name, found),
    }
