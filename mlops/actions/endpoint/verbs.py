"""What `mlops endpoint` does; each can be killed at any moment, and run again."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from core.backends import rollout
from core.backends.canary import Canary, CanaryPlan, Note
from core.backends.pointer import Pointer
from core.backends.production import Production
from core.decision import Decision, Verdict
from core.errors import CorruptArtifact, GateClosed, MlopsError, RegistryError, UsageError
from mlops.actions.endpoint.deployed import Deployed
from mlops.actions.endpoint.smoke import Smoke
from mlops.actions.endpoint.target import Target
from mlops.actions.endpoint.traffic import alone, last_canary, ours, shared
from mlops.actions.endpoint.watch import Step

POLL = 30.0
"""Seconds between two looks at a canary; the metrics come by the minute."""
_ENDED = frozenset({"abort", "stop"})


@dataclass(frozen=True)
class Waiting:
    """How long a canary is followed."""

    step_seconds: float = 3600.0
    """Longest time of a step without a decision."""
    override: str = ""
    """The reason to go on although a step is undecided."""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


def deploy(target: Target, version: Pointer | None = None) -> Deployed:
    """Deploy a version; the one in production also gets the traffic that the registry says, whatever had it before.

    Raises GateClosed when the version in production does not answer its own rows; the traffic is put back then.
    """
    champion = target.champion()
    model = target.ensure(version or champion)
    if version is not None and version != champion:
        target.progress(f"deployed without traffic; next: mlops endpoint canary {target.name} {version.version}")
        return model
    before = {one.id: one.percent for one in target.models() if one.percent}
    state = target.registry.state(target.name)
    if state.champion != champion:
        raise RegistryError(f"{target.name}: another version was put into production meanwhile; run it again")
    running = state.canary
    if running is not None:
        target.move(shared(model, target.ensure(running.to), int(running.percent)), None)
        return model
    target.move(alone(model), None)
    check = _smoke(target, champion).check(target.api, _again(target, model))
    if check.verdict is Verdict.FAIL:
        target.move(before, [alone(model)])
        raise GateClosed(f"{target.name}: {check.rule}: {check.observed}. The traffic is as it was. {check.next_step}")
    target.align_aliases()
    return model


def canary(target: Target, version: Pointer | None, plan: CanaryPlan, note: Note, waiting: Waiting = Waiting()) -> str:
    """Begin a canary, or go on with the one that runs, and follow it to its end; return how it ended.

    Raises GateClosed when it was rolled back, and when a step is undecided for too long: it stays as it is then.
    """
    state = target.registry.state(target.name)
    if state.canary is None:
        _settle(target, state, tries=version)
        if version is None:
            raise UsageError(f"{target.name}: no canary runs; wanted the RUN or VERSION to try")
        if version == state.champion:
            target.progress(f"version {version.version} is in production")
            return "promoted"
        _begin(target, version, plan, note)
    elif version is not None and version != state.canary.to:
        raise RegistryError(
            f"{target.name}: version {state.canary.to.version} is a canary already; end it with "
            f"`mlops endpoint rollback {target.name}`, or follow it with `mlops endpoint canary {target.name}`"
        )
    while (running := target.registry.state(target.name).canary) is not None:
        if _follow(target, running, waiting) == "passed":
            target.progress(f"the canary passed its last step; next: mlops endpoint finish {target.name}")
            return "passed"
    _settle(target, target.registry.state(target.name))
    return "promoted"


def finish(target: Target, note: Note, override: str = "") -> list[str]:
    """Put a canary that passed into production, and remove what this project deployed and nobody asks any more.

    Returns the ids of what was removed. Raises GateClosed while the canary has not passed.
    """
    if target.registry.state(target.name).canary is not None:
        rollout.promote(target.registry, target.name, note, override=bool(override))
    state = target.registry.state(target.name)
    _settle(target, state)
    models = target.models()
    kept = next((one for one in models if one.pointer == state.champion and one.percent == 100), None)
    if kept is None:
        raise MlopsError(
            f"{target.name}: version {target.champion().version} is in production, but has not all of the traffic; "
            f"nothing was removed. Run: mlops endpoint deploy {target.name}"
        )
    return target.remove([one.id for one in models if one.pointer is not None and one.id != kept.id])


def rollback(target: Target, note: Note, version: int | None = None) -> Pointer:
    """End the canary, or put back the version that was in production before: traffic, then pointer, then alias.

    `version` is the one to go back from; when another is in production, this was done before, and nothing changes.
    """
    state = target.registry.state(target.name)
    champion = target.champion()
    if state.canary is not None:
        if version not in {None, state.canary.to.version}:
            return champion
        _end(target, state.canary, note)
        return champion
    if version not in {None, champion.version}:
        target.progress(f"version {champion.version} is in production, not {version}: nothing to do")
        return champion
    back = _previous(target, state)
    model = target.serving(back) or target.ensure(back, any_image=True)
    target.move(alone(model), None)

    def move(now: Production, at: str) -> Production:
        moved = now.rolled_back(lambda pointer: pointer == back, at) if now.champion == champion else None
        if moved is None:
            raise RegistryError(
                f"{target.name}: another version was put into production meanwhile; see mlops endpoint status"
            )
        return moved

    target.registry.roll(target.name, move)
    target.align_aliases()
    return back


def _begin(target: Target, version: Pointer, plan: CanaryPlan, note: Note) -> None:
    if any(step < 1 or step != int(step) for step in plan.steps):
        raise UsageError(f"--steps: Vertex AI takes whole percents from 1, got {', '.join(map(str, plan.steps))}")
    champion = target.champion()
    serving = target.serving(champion)
    if serving is None or serving.percent != 100:
        raise MlopsError(
            f"{target.name}: wanted version {champion.version}, which is in production, with all of the traffic, got "
            f"{serving.percent if serving else 0} %; run `mlops endpoint deploy {target.name}` first"
        )
    target.ensure(version)
    rollout.begin(target.registry, target.name, version.version, plan, note)


def _follow(target: Target, running: Canary, waiting: Waiting) -> str:
    """Follow one step to its decision; return `passed` after the last one, else the state is to be read again."""
    model = target.ensure(running.to)
    champion = target.serving(Pointer.parse(running.against))
    if champion is None:
        raise MlopsError(
            f"{target.name}: {running.against[:20]} is not deployed any more, so there is nothing to compare with; "
            f"run `mlops endpoint deploy {target.name}`"
        )
    state = target.registry.state(target.name)
    target.move(shared(champion, model, int(running.percent)), ours(target.models(), state))
    if running.passed and running.next_percent is None:
        return "passed"
    step = Step(target, running, model, _smoke(target, running.to))
    deadline = time.monotonic() + waiting.step_seconds
    shown = ""
    while True:
        now = waiting.now()
        decision = step.decide(now)
        if decision.summary != shown:
            target.progress(f"{running.percent:g} %: {decision.verdict}: {decision.summary}")
            shown = decision.summary
        if decision.verdict is Verdict.FAIL:
            return _abort(target, running, decision)
        is_over = time.monotonic() > deadline
        goes_on = decision.is_open or (is_over and waiting.override)
        if goes_on and step.is_baked(now):
            return _conclude(target, running, decision, waiting)
        if is_over:
            raise GateClosed(
                f"{target.name}: the step of {running.percent:g} % is undecided after {waiting.step_seconds:g} s: "
                f"{decision.summary} It stays as it is; follow it with `mlops endpoint canary {target.name}`, give a "
                f'reason to go on (--override "..."), or end it with `mlops endpoint rollback {target.name}`'
            )
        if target.registry.state(target.name).canary != running:
            return "changed"
        time.sleep(POLL)


def _conclude(target: Target, running: Canary, decision: Decision, waiting: Waiting) -> str:
    if decision.is_open:
        rollout.conclude(target.registry, target.name, running, decision, "mlops endpoint canary")
    elif running.next_percent == 100:
        rollout.promote(target.registry, target.name, Note("mlops endpoint canary", waiting.override), override=True)
    elif running.next_percent is not None:
        rollout.set_percent(
            target.registry, target.name, running.next_percent, Note("mlops endpoint canary", waiting.override)
        )
    after = target.registry.state(target.name).canary
    return "passed" if after is not None and after.next_percent is None and after.stage == running.stage else "next"


def _abort(target: Target, running: Canary, decision: Decision) -> str:
    """Take the traffic from a canary that failed: GateClosed, with the reason, unless it ended otherwise meanwhile."""
    try:
        rollout.conclude(target.registry, target.name, running, decision, "mlops endpoint canary")
    finally:
        _champion_alone(target, running)
    _settle(target, target.registry.state(target.name))
    return "changed"


def _end(target: Target, running: Canary, note: Note) -> None:
    """End a canary by hand."""
    _champion_alone(target, running)

    def move(state: Production, at: str) -> Production:
        if state.canary is None or state.canary.start != running.start:
            raise RegistryError(f"{target.name}: the canary ended meanwhile; see mlops endpoint status {target.name}")
        return state.noted("stop", at, note)

    target.registry.roll(target.name, move)
    model = target.serving(running.to)
    if model is not None:
        target.remove([model.id])


def _champion_alone(target: Target, running: Canary) -> None:
    champion = Pointer.parse(running.against)
    target.move(alone(target.serving(champion) or target.ensure(champion, any_image=True)), None)


def _settle(target: Target, state: Production, tries: Pointer | None = None) -> None:
    """Finish what the end of the last canary asks for, where a command was cut short; GateClosed after an abort.

    A canary that has ended and has no traffic is left alone where `tries` will begin another one.
    """
    champion, last = state.champion, last_canary(state)
    if champion is None or last is None:
        return
    tried = target.serving(last.to)
    if last.ended in _ENDED and tried is not None and last.to != champion and (tried.percent or tries is None):
        serving = target.serving(champion) or target.ensure(champion, any_image=True)
        target.move(alone(serving), ours(target.models(), state))
        target.remove([tried.id])
        raise GateClosed(f"{target.name}: version {last.to.version} was rolled back: {last.why or last.ended}")
    if last.ended == "promote" and last.to == champion and tried is not None:
        target.move(alone(tried), ours(target.models(), state))
        check = _smoke(target, champion).check(target.api, _again(target, tried))
        if check.verdict is Verdict.FAIL:
            rollback(target, Note("mlops endpoint canary", f"{check.rule}: {check.observed}"), champion.version)
            raise GateClosed(f"{target.name}: version {champion.version} was rolled back: {check.observed}")
        target.align_aliases()


def _previous(target: Target, state: Production) -> Pointer:
    """Return the version that a rollback goes back to; RegistryError when there is none that is intact."""

    def is_intact(pointer: Pointer) -> bool:
        try:
            return target.registry.resolve(target.name, str(pointer)) is not None
        except (CorruptArtifact, RegistryError):
            return False

    moved = state.rolled_back(is_intact, "")
    if moved is None or moved.champion is None:
        raise RegistryError(
            f"{target.name}: there is no earlier version in production to go back to; "
            f"`mlops models list {target.name} --at vertex` lists the versions"
        )
    return moved.champion


def _smoke(target: Target, pointer: Pointer) -> Smoke:
    return Smoke.of(Path(target.registry.resolve(target.name, str(pointer)).path))


def _again(target: Target, model: Deployed) -> Deployed:
    return next(one for one in target.models() if one.id == model.id)
