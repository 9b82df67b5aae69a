"""What an endpoint serves, beside what the registry says it should."""

from dataclasses import asdict
from typing import Any

from mlops.actions.endpoint.target import Target


def status(target: Target) -> dict[str, Any]:
    """Return the deployed models with their traffic, the registry's state, and how the two differ, as JSON."""
    state = target.registry.state(target.name)
    models = target.models()
    canary = state.canary
    return {
        "name": target.name,
        "endpoint": target.api.name,
        "champion": state.champion.version if state.champion else None,
        "canary": {"version": canary.to.version, "percent": canary.percent, "since": canary.since} if canary else None,
        "deployed": [asdict(one) | {"version": one.pointer.version if one.pointer else None} for one in models],
        "differences": differences(target),
        "events": [dict(event) for event in state.rollouts],
    }


def differences(target: Target) -> list[str]:
    """Say where the traffic is not what the registry says; empty where it is."""
    state = target.registry.state(target.name)
    if state.champion is None:
        return []
    share = int(state.canary.percent) if state.canary else 0
    wanted = {state.champion: 100 - share} | ({state.canary.to: share} if state.canary else {})
    found: list[str] = []
    models = target.models()
    for pointer, percent in wanted.items():
        got = sum(one.percent for one in models if one.pointer == pointer)
        if got != percent:
            found.append(f"version {pointer.version} should have {percent} % of the traffic, and has {got} %")
    others = [one for one in models if one.percent and one.pointer not in wanted]
    return found + [f"{one.name[:20]} has {one.percent} % of the traffic, and should have none" for one in others]
