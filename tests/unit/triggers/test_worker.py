"""The thread of a handler outlives every error, logs each one once, and ends when asked."""

import logging

import pytest

from core.errors import MlopsError
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
