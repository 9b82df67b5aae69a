"""The threads that answer requests: how many may wait for one, for how long, and cancellation of waiting ones.

Work that has shown to be quick is done by the event loop itself: handing it to a thread and back takes as long as a
small model does, and threads of one process wait for each other's Python.
"""

import asyncio
import logging
import os
import threading
import time
from collections.abc import Awaitable, Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from serving.errors import RequestError
from serving.limits import Limits

_Answer = TypeVar("_Answer")
_LOG = logging.getLogger("serving")
_STUCK_EXIT_CODE = 70
"""EX_SOFTWARE of sysexits.h: the supervisor starts another process in this one's place."""
_QUICK_SECONDS = 0.005
"""Work of a kind that took less the last time may hold up the event loop."""
_WATCH_SECONDS = 1.0


def give_up() -> None:
    """End this process at once: a thread that hangs in a model cannot be stopped."""
    os._exit(_STUCK_EXIT_CODE)


class Client(Protocol):
    """Who asked, and may go away before the answer."""

    @property
    def receive(self) -> Callable[[], Awaitable[Any]]:
        """Returns ASGI's messages, at last one of the type `http.disconnect`."""


class AnswerPool:
    """Runs the work of requests in a few threads; use it from one event loop."""

    def __init__(self, limits: Limits, when_all_hang: Callable[[], None] = give_up) -> None:
        self._limits = limits
        self._when_all_hang = when_all_hang
        self._threads = ThreadPoolExecutor(limits.threads, thread_name_prefix="predict")
        self._pending = 0
        self._hanging = 0
        self._quick: set[Hashable] = set()
        self._loop_busy_since: float | None = None
        self._watch: threading.Thread | None = None
        self._stopped = threading.Event()

    def shutdown(self) -> None:
        """Wait for running work; call it when no more requests arrive."""
        self._stopped.set()
        self._threads.shutdown()

    def is_quick(self, kind: Hashable) -> bool:
        """Whether the event loop may do work of a kind by itself, now."""
        return kind in self._quick and not self._pending

    async def run(self, client: Client, work: Callable[[], _Answer], kind: Hashable = None) -> _Answer:
        """Run a request's work in a thread, or here when work of its kind is quick, and return what it returns.

        Raises RequestError: 503 when too many wait or this one waited too long, 504 when the model took too long, 400
        when the client went away before a thread was free.
        """
        if self._pending >= self._limits.pending:
            raise RequestError(503, "UNAVAILABLE", f"{self._pending} requests are waiting; try again later")
        if self.is_quick(kind):
            return self.run_here(work, kind)
        queued = self._threads.submit(self._timed, work, kind)
        answer = asyncio.wrap_future(queued)
        self._pending += 1
        # Only a request that has to wait is watched: its client may be gone before its turn comes.
        gone = asyncio.ensure_future(_until_gone(client)) if self._pending > self._limits.threads else None
        try:
            waited_for: set[asyncio.Future[Any]] = {answer} if gone is None else {answer, gone}
            await asyncio.wait(waited_for, timeout=self._limits.answer_seconds, return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                return answer.result()
            if queued.cancel():
                raise self._never_begun(is_gone=gone is not None and gone.done())
            if gone is not None and gone.done():
                return await answer  # it runs already and cannot be cancelled; the client does not read the result
            raise self._hangs(answer)
        except asyncio.CancelledError:
            queued.cancel()
            raise
        finally:
            self._pending -= 1
            if gone is not None:
                gone.cancel()

    def _timed(self, work: Callable[[], _Answer], kind: Hashable) -> _Answer:
        began = time.monotonic()
        try:
            return work()
        finally:
            if kind is not None:
                (self._quick.add if time.monotonic() - began < _QUICK_SECONDS else self._quick.discard)(kind)

    def run_here(self, work: Callable[[], _Answer], kind: Hashable) -> _Answer:
        """Run quick work in the event loop; a thread watches, as nothing else would end a model that hangs there."""
        if self._watch is None:
            self._watch = threading.Thread(target=self._watch_loop, name="watch-loop", daemon=True)
            self._watch.start()
        self._loop_busy_since = time.monotonic()
        try:
            return self._timed(work, kind)
        finally:
            self._loop_busy_since = None

    def _watch_loop(self) -> None:
        while not self._stopped.wait(min(_WATCH_SECONDS, self._limits.answer_seconds)):
            since = self._loop_busy_since
            if since is not None and time.monotonic() - since > self._limits.answer_seconds:
                _LOG.error("the event loop hangs in a model; this process ends, another takes its place")
                self._when_all_hang()
                return

    def _never_begun(self, *, is_gone: bool) -> RequestError:
        if is_gone:
            return RequestError(400, "CANCELLED", "the client went away")
        seconds = self._limits.answer_seconds
        return RequestError(503, "UNAVAILABLE", f"no thread was free within {seconds:g} s; try again later")

    def _hangs(self, answer: "asyncio.Future[_Answer]") -> RequestError:
        """Count a thread that has not finished in time; when all hang, end this process."""
        self._hanging += 1
        answer.add_done_callback(self._came_back)
        if self._hanging >= self._limits.threads:
            _LOG.error("all %d threads hang in a model; this process ends, another takes its place", self._hanging)
            self._when_all_hang()
        return RequestError(504, "DEADLINE_EXCEEDED", f"the model took longer than {self._limits.answer_seconds:g} s")

    def _came_back(self, answer: "asyncio.Future[_Answer]") -> None:
        self._hanging -= 1
        if not answer.cancelled():
            answer.exception()  # retrieved, or asyncio would log it as never retrieved


async def _until_gone(client: Client) -> None:
    while (await client.receive())["type"] != "http.disconnect":
        pass
