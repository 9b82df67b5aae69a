"""The thread of a handler outlives every error, logs each one once, and ends when asked."""

import logging
import threading
import time

import pytest

from core.errors import MlopsError
from mlops.triggers.service import working
from mlops.triggers.worker import Worker


@pytest.mark.parametrize("error", [MlopsError("the disk is full"), OSError("no route"), RuntimeError("a bug")])
def test_an_error_is_logged_once_and_the_next_round_tries_again(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    rounds: list[int] = []

    def work() -> bool:
        rounds.append(len(rounds))
        if len(rounds) < 4:
            raise error
        worker.stop()
        return True

    worker = Worker(work, pause_seconds=0.01)
    worker.run()
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert (record.exc_info is not None) == isinstance(error, RuntimeError), "a bug is logged with where it is"
    assert len(rounds) == 4


def test_after_the_grace_time_a_round_is_left_and_said_to_be() -> None:
    begun, ends, left = threading.Event(), threading.Event(), threading.Event()

    def work() -> bool:
        begun.set()
        return ends.wait(600)

    with working(work, grace_seconds=0.05, on_left=left.set):
        assert begun.wait(600)
    assert left.is_set()
    ends.set()


def test_without_a_grace_time_a_round_that_has_begun_ends_first() -> None:
    begun, done = threading.Event(), []

    def work() -> bool:
        begun.set()
        time.sleep(0.1)
        done.append("a round")
        return False

    with working(work, on_left=lambda: pytest.fail("nothing was left")):
        assert begun.wait(600)
    assert done
