"""A worker that has joined knows every change that was made without it."""

import signal
import threading
import time
from collections.abc import Iterator

import pytest

from serving.processes.channel import Together, connect
from serving.processes.moment import Moment

SECONDS = 60


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """Take the signals of arriving messages, as a supervisor does."""
    before = signal.signal(signal.SIGIO, lambda *_: None)
    yield
    signal.signal(signal.SIGIO, before)


def test_joining_returns_when_the_supervisor_has_noted_it_and_after_the_changes_before() -> None:
    moment = Moment()
    ours, theirs = connect(moment)
    known: list[Together] = []
    ours.send(Together({}, is_served=True))
    theirs.start(known.append)
    joining = threading.Thread(target=theirs.join)
    joining.start()
    deadline = time.monotonic() + SECONDS
    while not (received := ours.received()):
        assert time.monotonic() < deadline
        time.sleep(0.001)
    assert received == [{"join": True}]
    assert joining.is_alive(), "a change that does not wait for it may be on its way"
    ours.send(Together({"m": 2}, is_served=True, moment=1))
    moment.advance(1)
    ours.joined()
    joining.join(SECONDS)
    assert not joining.is_alive()
    assert known[-1].agreed == {"m": 2}


def test_a_change_is_reported_when_all_have_been_sent_it() -> None:
    moment = Moment()
    ours, theirs = connect(moment)
    known: list[Together] = []
    reported = threading.Event()
    ours.send(Together({}, is_served=False))
    theirs.start(lambda together: (known.append(together), together.moment and reported.set()))  # type: ignore[func-returns-value]
    ours.send(Together({"m": 2}, is_served=True, moment=1))
    assert not reported.wait(0.05)
    assert theirs.moment == 0
    moment.advance(1)
    assert reported.wait(SECONDS)
    assert theirs.moment == 1
    assert known[-1] == Together({"m": 2}, is_served=True, moment=1)
