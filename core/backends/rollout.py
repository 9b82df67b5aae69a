"""The moves of a canary in a registry: begin, set the share, conclude a step by its decision, promote."""

from core.backends.canary import Canary, CanaryPlan, Note
from core.backends.pointer import Pointer
from core.backends.production import Production
from core.backends.registry import Registry
from core.decision import Decision, Verdict
from core.errors import GateClosed, RegistryError


def begin(registry: Registry, name: str, version: int, plan: CanaryPlan, note: Note) -> Canary:
    """Start a canary; RegistryError without a champion, for the champion itself, and while another canary runs."""
    found = registry.get(name, version)
    to = Pointer(found.version, found.digest)

    def move(state: Production, at: str) -> Production:
        if state.champion is None:
            raise RegistryError(
                f"{name}: wanted a version in production to compare version {version} with, got none; "
                "push the first version with `mlops models push`"
            )
        if state.champion.digest == to.digest:
            raise RegistryError(
                f"{name}: wanted another version than the one in production, got {to.version}; "
                f"`mlops models list {name}` lists the versions"
            )
        if state.canary is not None:
            raise RegistryError(
                f"{name}: version {state.canary.to.version} is a canary already; end it with "
                f"`mlops models rollback {name}`, or put it into production with `mlops models promote {name}`"
            )
        return state.begun(to, plan, at, note)

    started = registry.roll(name, move).canary
    assert started is not None
    return started


def set_percent(registry: Registry, name: str, percent: float, note: Note) -> Canary:
    """Set the share of the running canary by hand; RegistryError without one, or for a share that is not higher.

    A lower share would move keys back to the champion: end the canary and start another one for that.
    """

    def move(state: Production, at: str) -> Production:
        canary = required(state, name)
        if not canary.percent < percent < 100:
            raise RegistryError(
                f"{name}: wanted a share above {canary.percent:g} and below 100 percent, got {percent:g}; to lower it, "
                f"end the canary with `mlops models rollback {name}` and start another; for 100: `mlops models promote`"
            )
        return state.noted("step", at, note, percent=percent)

    changed = registry.roll(name, move).canary
    assert changed is not None
    return changed


def conclude(registry: Registry, name: str, of: Canary, decision: Decision, by: str) -> Production:
    """Abort, go to the next step, or promote, as a decision about the canary `of` says.

    Nothing changes while the decision is undecided, and when the canary has moved on meanwhile.
    """
    note = Note(by, decision.summary, decision.model_dump(mode="json"))

    def move(state: Production, at: str) -> Production:
        canary = state.canary
        if canary is None or canary.stage != of.stage or decision.verdict is Verdict.UNDECIDED:
            return state
        if decision.verdict is Verdict.FAIL:
            return state.noted("abort", at, note)
        if canary.next_percent is None:
            return state if canary.passed else state.noted("pass", at, note)
        if canary.next_percent < 100:
            return state.noted("step", at, note, percent=canary.next_percent)
        return state.promoted(canary.to, at, note)

    return registry.roll(name, move)


def promote(registry: Registry, name: str, note: Note, *, override: bool = False) -> Canary:
    """Put the running canary into production by hand and return it.

    Raises GateClosed when its comparison has not passed and `override` is not set, CorruptArtifact for damaged bytes.
    """
    registry.get(name, required(registry.state(name), name).to.version)
    promoted: list[Canary] = []

    def move(state: Production, at: str) -> Production:
        canary = required(state, name)
        if not (canary.passed and not canary.is_shadow) and not override:
            raise GateClosed(
                f"{name}: wanted a canary that passed its comparison at {canary.percent:g} %, got one that is "
                f"undecided; `mlops models canary {name}` shows what is missing; to promote it all the same, give a "
                'reason: --override "..."'
            )
        promoted[:] = [canary]
        return state.promoted(canary.to, at, note)

    registry.roll(name, move)
    return promoted[0]


def required(state: Production, name: str) -> Canary:
    """Return the running canary; RegistryError without one."""
    if state.canary is None:
        raise RegistryError(
            f"{name}: wanted a running canary, got none; start one with `mlops models canary {name} VERSION`"
        )
    return state.canary
