"""Each fact gets one decision, each decision at most one run, and the journal says why."""

import pytest

from mlops.triggers.fact import Fact
from mlops.triggers.handler import Rejected
from mlops.triggers.launcher import Ended
from mlops.triggers.records import State
from pipelines.triggers import Trigger
from tests.unit.triggers.conftest import Station


def test_a_fact_starts_one_run_however_often_it_is_delivered(station: Station) -> None:
    assert [station.take("a"), station.take("a"), station.take("a")] == [True, False, False]
    station.work()
    assert not station.take("a")
    station.work()
    (decision,) = station.journal.decisions()
    assert (decision.state, decision.reason) == (State.DONE, "manual (a); pushed")
    assert len(station.launcher.starts) == 1
    (recorded,) = station.journal.facts_of(decision.number)
    assert recorded.deliveries == 4


def test_the_same_content_is_not_run_again(station: Station) -> None:
    station.launcher.contents["flights"] = "sha256:same"
    station.take("a")
    station.take("b")
    station.work()
    assert station.states() == ["done", "unchanged"]
    assert "had the same code, configuration and data" in station.journal.decisions()[0].reason
    assert len(station.launcher.starts) == 1


def test_the_same_content_is_run_again_after_a_failure(station: Station) -> None:
    station.launcher.contents["flights"] = "sha256:same"
    station.launcher.ends = Ended(State.FAILED, "train-model failed")
    station.take("a")
    station.work()
    station.launcher.ends = Ended(State.DONE, "pushed")
    station.take("b")
    station.work()
    assert station.states() == ["failed", "done"]


def test_facts_within_the_debounce_time_share_a_run(station: Station) -> None:
    station.rules.triggers["flights"] = Trigger(debounce_seconds=60)
    station.take("a")
    station.now += 40
    station.take("b")
    station.now += 40
    station.work()
    assert station.states() == []
    station.now += 20
    station.work()
    assert station.states() == ["done"]
    assert station.journal.decisions()[0].reason.startswith("manual (a and 1 more)")


def test_a_stream_of_facts_without_a_pause_delays_a_run_at_most_ten_times_the_debounce_time(station: Station) -> None:
    station.rules.triggers["flights"] = Trigger(debounce_seconds=60)
    for minute in range(11):
        station.take(f"{minute}")
        station.work()
        station.now += 59
    station.work()
    assert station.states() == ["done"]


def test_a_cool_down_makes_later_facts_share_the_next_run(station: Station) -> None:
    station.rules.triggers["flights"] = Trigger(cool_down_seconds=3600)
    station.take("a")
    station.work()
    for fact in ("b", "c"):
        station.now += 600
        station.take(fact)
        station.work()
    assert station.states() == ["done"]
    station.now += 2400
    station.work()
    assert station.states() == ["done", "done"]
    assert station.journal.decisions()[0].reason.startswith("manual (b and 1 more)")


def test_the_cool_down_of_one_cause_does_not_hold_another(station: Station) -> None:
    station.rules.triggers["flights"] = Trigger(cool_down_seconds=3600)
    station.take("a", cause="drift")
    station.take("b", cause="performance")
    station.work()
    assert station.states() == ["done", "done"]


def test_a_clock_that_is_set_back_delays_a_run_by_no_more_than_its_own_waiting_times(station: Station) -> None:
    station.rules.triggers["flights"] = Trigger(debounce_seconds=60, cool_down_seconds=600)
    station.take("a")
    station.now += 60
    station.work()
    station.take("b")
    station.now -= 86_400
    station.work()
    station.now += 600
    station.work()
    assert station.states() == ["done", "done"]


def test_what_is_not_allowed_is_a_dead_letter_that_can_be_retried(station: Station) -> None:
    with pytest.raises(Rejected, match="penguins may start nothing; kept as a dead letter, retry: mlops trigger retry"):
        station.take("a", usecase="penguins")
    with pytest.raises(Rejected):
        station.take("a", usecase="penguins")
    (letter,) = station.dead
    station.rules.triggers["penguins"] = Trigger()
    station.handler.retry(letter)
    station.work()
    assert station.states() == ["done"]
    assert list(station.dead) == []


def test_what_is_not_allowed_any_more_when_its_turn_comes_is_a_dead_letter(station: Station) -> None:
    station.take("a")
    rule = station.rules.triggers.pop("flights")
    station.work()
    assert station.states() == ["failed"]
    (letter,) = station.dead
    assert letter.why == "flights may start nothing"
    station.rules.triggers["flights"] = rule
    station.handler.retry(letter)
    station.work()
    assert station.states() == ["failed", "done"]


def test_a_run_that_failed_is_a_dead_letter_and_a_retry_is_a_decision_of_its_own(station: Station) -> None:
    station.launcher.ends = Ended(State.FAILED, "train-model failed")
    station.take("a")
    station.work()
    (letter,) = station.dead
    assert (letter.name, letter.why) == ("decision-1", "train-model failed")
    station.launcher.ends = Ended(State.CLOSED, "evaluate_model did not pass")
    station.handler.retry(letter)
    station.handler.retry(letter)
    station.work()
    assert station.states() == ["failed", "gate closed"]
    assert len(set(station.launcher.starts)) == len(station.launcher.starts) == 2


@pytest.mark.known_failure(3)
def test_a_handler_that_died_after_the_submission_is_followed_by_one_that_finds_the_run(station: Station) -> None:
    class Died(BaseException):
        pass

    def die(*_: object) -> None:
        raise Died

    station.take("a")
    station.launcher.finish = die  # type: ignore[assignment,method-assign]
    start = station.launcher.start

    def start_and_die(usecase: str, trigger: Trigger, decision: str) -> str:
        start(usecase, trigger, decision)
        raise Died

    station.launcher.start = start_and_die  # type: ignore[method-assign]
    for _ in range(2):
        with pytest.raises(Died):
            station.dispatcher.work()
    del station.launcher.finish, station.launcher.start
    station.work()
    assert station.states() == ["done"]
    assert len(station.launcher.starts) == 1


def test_an_error_that_nobody_expected_is_a_death_of_its_decision_and_holds_no_other_use_case(
    station: Station, caplog: pytest.LogCaptureFixture
) -> None:
    finish = station.launcher.finish

    def break_down(run_id: str) -> Ended:
        if (station.home / run_id).read_text() == "flights":
            raise ZeroDivisionError("a bug")
        return finish(run_id)

    station.rules.triggers["penguins"] = Trigger()
    station.take("a")
    station.take("b", usecase="penguins")
    station.launcher.finish = break_down  # type: ignore[method-assign]
    for _ in range(4):
        station.dispatcher.work()
    assert {one.usecase: one.state for one in station.journal.decisions()} == {
        "flights": State.FAILED,
        "penguins": State.DONE,
    }
    assert "3 handlers ended over it" in next(iter(station.dead)).why
    assert len([record for record in caplog.records if record.exc_info]) == 3
    assert len(station.launcher.starts) == 2


def test_a_handler_that_ends_in_order_has_not_died_over_what_it_followed(station: Station) -> None:
    class Ends(BaseException):
        pass

    def end(_: str) -> Ended:
        station.dispatcher.release()
        raise Ends

    station.take("a")
    station.launcher.finish = end  # type: ignore[method-assign]
    for _ in range(5):
        with pytest.raises(Ends):
            station.dispatcher.work()
    del station.launcher.finish
    station.work()
    assert station.states() == ["done"]
    assert len(station.launcher.starts) == 1


def test_only_one_handler_at_a_time_works_on_a_use_case(station: Station) -> None:
    other = Station(station.home, rules=station.rules)
    inside: list[bool] = []

    def finish(_: str) -> Ended:
        inside.append(other.dispatcher.work())
        return Ended(State.DONE, "pushed")

    station.take("a")
    station.take("b")
    station.launcher.finish = finish  # type: ignore[method-assign]
    station.work()
    assert inside == [False, False]
    assert station.states() == ["done", "done"]


def test_what_a_sender_writes_beside_the_fact_reaches_no_run(station: Station) -> None:
    event = {
        "specversion": "1.0", "type": "mlops.fact.manual", "source": "/test", "id": "a", "subject": "flights",
        "data": {"pipeline": "../evil", "parameters": {"registry": "/elsewhere"}}, "pipeline": "evil",
    }  # fmt: skip
    asked: list[tuple[str, Trigger]] = []
    start = station.launcher.start

    def spy(usecase: str, trigger: Trigger, decision: str) -> str:
        asked.append((usecase, trigger))
        return start(usecase, trigger, decision)

    station.launcher.start = spy  # type: ignore[method-assign]
    station.handler.take(event)
    station.work()
    assert asked == [("flights", station.rules.triggers["flights"])]
    assert isinstance(station.journal.facts_of(1)[0].fact, Fact)
