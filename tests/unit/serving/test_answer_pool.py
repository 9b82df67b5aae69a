"""No request waits forever, and no thread works for a client that has disconnected."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import Request

from serving import answer_pool
from serving.answer_pool import AnswerPool
from serving.errors import RequestError
from serving.limits import Limits

LIMITS = Limits(threads=1, pending=3, answer_seconds=0.2)
PATIENT = Limits(threads=1, pending=3, answer_seconds=300)


def request_of(receive: Callable[[], Any]) -> Request:
    return Request({"type": "http", "method": "POST", "path": "/", "headers": []}, receive)


async def here() -> Any:
    """A client that stays: nothing comes from it any more."""
    await asyncio.Event().wait()


async def gone() -> Any:
    return {"type": "http.disconnect"}


async def failing(pool: AnswerPool, work: Callable[[], Any], receive: Callable[[], Any] = here) -> RequestError:
    with pytest.raises(RequestError) as caught:
        await pool.run(request_of(receive), work)
    return caught.value


def test_a_request_that_the_model_never_answers_is_answered_and_the_process_replaced() -> None:
    released, replaced = threading.Event(), threading.Event()
    pool = AnswerPool(LIMITS, replaced.set)

    async def scene() -> str:
        assert (await failing(pool, released.wait)).status == 504
        assert replaced.is_set()
        late = asyncio.ensure_future(failing(pool, lambda: "never begun"))
        assert (await late).status == 503
        released.set()
        for _ in range(300):  # until the thread is back, which a busy machine may take its time for
            with contextlib.suppress(RequestError):
                return await pool.run(request_of(here), lambda: "again")
        return ""

    assert asyncio.run(scene()) == "again"
    pool.shutdown()


def test_work_for_a_client_that_left_before_its_turn_is_not_done() -> None:
    released, done = threading.Event(), []
    pool = AnswerPool(PATIENT)

    async def scene() -> None:
        first = asyncio.ensure_future(pool.run(request_of(here), released.wait))
        await asyncio.sleep(0.01)
        assert (await failing(pool, lambda: done.append("for nobody"), gone)).code == "CANCELLED"
        released.set()
        await first

    asyncio.run(scene())
    pool.shutdown()
    assert not done


def test_more_than_may_wait_are_sent_away() -> None:
    released = threading.Event()
    pool = AnswerPool(PATIENT)

    async def scene() -> None:
        waiting = [asyncio.ensure_future(pool.run(request_of(here), released.wait)) for _ in range(3)]
        await asyncio.sleep(0.01)
        assert (await failing(pool, lambda: None)).status == 503
        released.set()
        await asyncio.gather(*waiting)

    asyncio.run(scene())
    pool.shutdown()


def test_work_that_was_quick_is_done_by_the_event_loop_until_it_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = AnswerPool(PATIENT)
    threads: list[str] = []
    clock = [0.0]
    monkeypatch.setattr(answer_pool, "time", SimpleNamespace(monotonic=lambda: clock[0]))

    def work(seconds: float) -> None:
        threads.append(threading.current_thread().name)
        clock[0] += seconds

    async def scene() -> None:
        for seconds in (0.0, 0.0, 0.02, 0.0, 0.0):
            await pool.run(request_of(here), lambda seconds=seconds: work(seconds), "kind")
        await pool.run(request_of(here), lambda: work(0.0), "another kind")
        await pool.run(request_of(here), lambda: work(0.0))

    asyncio.run(scene())
    pool.shutdown()
    in_loop = threading.current_thread().name
    assert [name == in_loop for name in threads] == [False, True, True, False, True, False, False]


def test_a_model_that_hangs_in_the_event_loop_ends_the_process() -> None:
    replaced = threading.Event()
    pool = AnswerPool(LIMITS, replaced.set)

    async def scene() -> None:
        await pool.run(request_of(here), lambda: None, "kind")
        await pool.run(request_of(here), lambda: replaced.wait(10), "kind")

    asyncio.run(scene())
    pool.shutdown()
    assert replaced.is_set()
