"""Canaries in all registries: moved atomically with the pointer, by one process only, and never forgotten."""

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.backends import canary as canaries
from core.backends import rollout
from core.backends.canary import CanaryPlan, Note
from core.backends.pointer import Pointer
from core.backends.production import Production
from core.decision import Check, Decision, Verdict
from core.errors import GateClosed, RegistryError, UsageError
from tests.unit.backends.registries import Backend, model

ME = Note("me", "because")
PLAN = CanaryPlan(steps=(5.0, 25.0, 100.0))


def decided(verdict: Verdict) -> Decision:
    return Decision.of("canary", (Check(rule="errors", observed=0.5, verdict=verdict),))


@pytest.fixture
def released(backend: Backend, tmp_path: Path) -> Backend:
    """Two versions, the first in production."""
    for text in "ab":
        backend.registry.publish("m", model(tmp_path / text, text), {})
    backend.registry.promote("m", 1)
    return backend


def test_a_canary_that_passes_goes_by_its_steps_into_production(released: Backend) -> None:
    registry = released.registry
    shares = []
    canary = rollout.begin(registry, "m", 2, PLAN, ME)
    assert (canary.to.version, canary.against) == (2, str(registry.pointer("m")))
    while (running := released.reopened().state("m").canary) is not None:
        shares.append(running.percent)
        rollout.conclude(registry, "m", running, decided(Verdict.UNDECIDED), "server")
        assert released.reopened().state("m").canary == running, "undecided changes nothing"
        rollout.conclude(registry, "m", running, decided(Verdict.PASS), "server")
    assert shares == [5.0, 25.0]
    state = released.reopened().state("m")
    assert state.champion is not None and state.champion.version == 2
    events = state.rollouts
    assert [(event["action"], event["by"]) for event in events] == [
        ("start", "me"),
        ("step", "server"),
        ("promote", "server"),
    ]
    assert events[1]["decision"]["checks"][0]["observed"] == 0.5
    registry.rollback("m")
    assert released.reopened().pointer("m") == Pointer(1, registry.get("m", 1).digest)
    assert released.reopened().state("m").rollouts == events, "a rollback forgets nothing"


def test_an_aborted_canary_leaves_the_champion_and_counts_as_withdrawn(released: Backend) -> None:
    registry = released.registry
    canary, digest = rollout.begin(registry, "m", 2, PLAN, ME), registry.get("m", 2).digest
    assert not registry.withdrawn("m", digest)
    rollout.conclude(registry, "m", canary, decided(Verdict.FAIL), "server")
    assert registry.state("m").canary is None
    pointer = registry.pointer("m")
    assert pointer is not None and pointer.version == 1
    assert registry.withdrawn("m", digest)
    with pytest.raises(RegistryError, match="is or was in production"):
        registry.discard("m", 2)
    # Who decided about the canary that has ended, or about another share, decides nothing.
    again = rollout.begin(registry, "m", 2, PLAN, ME)
    rollout.conclude(registry, "m", canary, decided(Verdict.PASS), "late")
    assert registry.state("m").canary == again
    registry.promote("m", 2)
    assert registry.state("m").canary is None
    assert not registry.withdrawn("m", digest)


def test_a_rollback_ends_the_canary_first_and_only_then_moves_the_champion(released: Backend, tmp_path: Path) -> None:
    registry = released.registry
    registry.promote("m", registry.publish("m", model(tmp_path / "c", "c"), {}).version)
    rollout.begin(registry, "m", 2, PLAN, ME)
    assert registry.rollback("m", ME).version == 3
    assert registry.state("m").canary is None
    assert registry.state("m").rollouts[-1]["action"] == "stop"
    assert registry.rollback("m").version == 1


def test_another_champion_ends_the_canary_that_was_compared_with_the_one_before(
    released: Backend, tmp_path: Path
) -> None:
    registry = released.registry
    rollout.begin(registry, "m", 2, PLAN, ME)
    registry.promote("m", registry.publish("m", model(tmp_path / "c", "c"), {}).version)
    assert [event["action"] for event in registry.state("m").rollouts] == ["start", "superseded"]


def test_what_cannot_be_a_canary_is_refused(backend: Backend, tmp_path: Path) -> None:
    registry = backend.registry
    registry.publish("m", model(tmp_path / "a"), {})
    registry.publish("m", model(tmp_path / "b", "b"), {})
    with pytest.raises(RegistryError, match="wanted a version in production"):
        rollout.begin(registry, "m", 2, PLAN, ME)
    registry.promote("m", 1)
    with pytest.raises(RegistryError, match="another version than the one in production"):
        rollout.begin(registry, "m", 1, PLAN, ME)
    with pytest.raises(RegistryError, match="wanted a running canary"):
        rollout.promote(registry, "m", ME)
    rollout.begin(registry, "m", 2, PLAN, ME)
    with pytest.raises(RegistryError, match="is a canary already"):
        rollout.begin(registry, "m", 2, PLAN, ME)
    with pytest.raises(GateClosed, match="undecided"):
        rollout.promote(registry, "m", ME)
    with pytest.raises(RegistryError, match="above 5 and below 100"):
        rollout.set_percent(registry, "m", 2.0, ME)
    assert rollout.set_percent(registry, "m", 50.0, ME).percent == 50
    rollout.promote(registry, "m", ME, override=True)
    pointer = registry.pointer("m")
    assert pointer is not None and pointer.version == 2


def test_of_many_processes_that_conclude_one_step_one_does(released: Backend) -> None:
    canary = rollout.begin(released.registry, "m", 2, PLAN, ME)
    verdicts = [Verdict.PASS, Verdict.PASS, Verdict.FAIL, Verdict.FAIL]
    racing = [
        threading.Thread(
            target=rollout.conclude, args=(released.reopened(str(at)), "m", canary, decided(verdict), str(at))
        )
        for at, verdict in enumerate(verdicts)
    ]
    for thread in racing:
        thread.start()
    for thread in racing:
        thread.join()
    assert len(released.registry.state("m").rollouts) == 2


@pytest.mark.parametrize(
    ("plan", "error"),
    [
        ({"steps": ()}, "got none"),
        ({"steps": (100.0,)}, "the first below 100"),
        ({"steps": (5.0, 5.0)}, "each above the one before"),
        ({"key": "cookie:x"}, "wanted header:NAME"),
        ({"shift": float("nan")}, "shift: wanted"),
        ({"slowdown": 1.0}, "slowdown: wanted"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(plan: dict[str, object], error: str) -> None:
    with pytest.raises(UsageError, match=error):
        CanaryPlan(**plan)  # type: ignore[arg-type]


ACTIONS = st.lists(st.sampled_from(["begin", "step", "pass", "abort", "promote", "other", "rollback"]), max_size=12)


@given(ACTIONS)
def test_whatever_happens_a_canary_is_never_the_champion_and_no_event_is_lost(actions: list[str]) -> None:
    pointers = [Pointer(number, f"sha256:{number:064x}") for number in range(1, 30)]
    state, fresh = Production().promoted(pointers[0], "t"), iter(pointers[1:])
    for action in actions:
        before = state
        if action == "begin" and state.canary is None:
            state = state.begun(next(fresh), PLAN, "t", ME)
        elif action in {"step", "pass", "abort"} and state.canary is not None:
            state = state.noted(action, "t", ME, percent=10.0)
        elif action == "promote" and state.canary is not None:
            state = state.promoted(state.canary.to, "t")
        elif action == "other":
            state = state.promoted(next(fresh), "t")
        elif action == "rollback" and state.canary is None:
            state = state.rolled_back(lambda _: True, "t") or state
        assert state.rollouts[: len(before.rollouts)] == before.rollouts
        assert Production.parse(state.content(), "here") == state
        running = state.canary
        assert running is None or (running.to != state.champion and running.against == state.reference)
    assert canaries.running(()) is None
