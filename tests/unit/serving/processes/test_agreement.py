"""Workers change versions together; no worker that is slow, hangs or has ended holds the others up for ever."""

from hypothesis import given
from hypothesis import strategies as st

from serving.processes.agreement import Agreement

A, B, C = 11, 12, 13


def serving(*workers: int, version: int = 1) -> Agreement:
    agreement = Agreement(wait_seconds=30.0)
    for worker in workers:
        agreement.propose(worker, "m", version)
        agreement.join(worker)
        agreement.ready(worker)
    agreement.decide(0.0)
    return agreement


def test_the_first_worker_waits_for_nobody() -> None:
    agreement = Agreement()
    agreement.propose(A, "m", 1)
    assert agreement.decide(0.0)
    assert agreement.agreed == {"m": 1}
    assert not agreement.is_served


def test_a_change_waits_until_all_have_loaded_the_version_promotion_and_rollback_alike() -> None:
    agreement = serving(A, B)
    for version in (2, 1):
        agreement.propose(A, "m", version)
        assert not agreement.decide(1.0)
        agreement.propose(B, "m", version)
        assert agreement.decide(2.0)
        assert agreement.agreed == {"m": version}


def test_models_change_independently() -> None:
    agreement = serving(A, B)
    for name in ("slow", "fast"):
        agreement.propose(A, name, 7)
    agreement.propose(B, "fast", 7)
    agreement.decide(1.0)
    assert agreement.agreed == {"m": 1, "fast": 7}


def test_a_worker_that_ends_is_not_waited_for() -> None:
    agreement = serving(A, B)
    agreement.propose(A, "m", 2)
    assert not agreement.decide(1.0)
    agreement.leave(B)
    assert agreement.decide(1.0)
    assert agreement.agreed == {"m": 2}


def test_a_worker_that_hangs_is_waited_for_only_so_long_and_then_named() -> None:
    agreement = serving(A, B)
    agreement.propose(A, "m", 2)
    assert not agreement.decide(1.0)
    assert not agreement.decide(30.9)
    assert agreement.decide(31.0)
    assert (agreement.agreed, agreement.stragglers) == ({"m": 2}, {B})
    agreement.propose(B, "m", 2)
    assert not agreement.stragglers


def test_a_proposal_that_is_taken_back_changes_nothing() -> None:
    agreement = serving(A, B)
    agreement.propose(A, "m", 2)
    agreement.decide(1.0)
    agreement.propose(A, "m", 1)
    assert not agreement.decide(100.0)
    agreement.propose(A, "m", 2)
    assert not agreement.decide(101.0), "the wait begins again"


def test_a_fresh_worker_is_waited_for_once_it_has_joined() -> None:
    agreement = serving(A)
    agreement.propose(C, "m", 1)
    agreement.propose(A, "m", 2)
    assert agreement.decide(1.0), "it takes no requests yet"
    agreement.join(C)
    agreement.propose(A, "m", 3)
    assert not agreement.decide(2.0)
    agreement.propose(C, "m", 3)
    assert agreement.decide(3.0)


EVENTS = st.lists(
    st.tuples(st.sampled_from(["propose", "join", "ready", "leave"]), st.sampled_from([A, B, C]), st.integers(1, 3)),
    max_size=40,
)


@given(EVENTS)
def test_whatever_happens_a_change_has_all_members_or_names_the_late_ones(events: list[tuple[str, int, int]]) -> None:
    agreement, now = Agreement(wait_seconds=10.0), 0.0
    members: set[int] = set()
    able: dict[int, int] = {}
    for kind, worker, version in events:
        now += 1.0
        match kind:
            case "propose":
                agreement.propose(worker, "m", version)
                able[worker] = version
            case "join":
                agreement.join(worker)
                members.add(worker)
            case "ready" if worker in members:
                agreement.ready(worker)
            case "leave":
                agreement.leave(worker)
                members.discard(worker)
                able.pop(worker, None)
        if agreement.decide(now):
            chosen = agreement.agreed["m"]
            assert chosen in able.values()
            if agreement.is_served:
                assert {member for member in members if able.get(member) != chosen} <= agreement.stragglers
        agreement.decide(now)
    agreement.decide(now + 11.0)
    assert not agreement.decide(now + 22.0), "nothing is pending for ever"
