"""A run's event loop: actions from other threads and timers, done one after the other in one thread."""

import heapq
import itertools
import queue
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TypeVar

Action = Callable[[], None]
T = TypeVar("T")
_THREADS = 4


class Loop:
    """Inbox, timers, and a few threads for what is slow: hashing and syncing files."""

    def __init__(self) -> None:
        # A SimpleQueue may be written to from a signal handler that interrupts a read of the same queue.
        self._inbox: queue.SimpleQueue[Action] = queue.SimpleQueue()
        self._timers: list[tuple[float, int, Action]] = []
        self._numbers = itertools.count()
        self._pool = ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="localrun")
        self.busy = 0
        """How many results of `work` are outstanding."""

    def post(self, action: Action) -> None:
        """Have an action done in the loop; safe from any thread and from signal handlers."""
        self._inbox.put(action)

    def after(self, seconds: float, action: Action) -> None:
        """Have an action done in the loop after some seconds."""
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._numbers), action))

    def work(self, action: Callable[[], T], then: Callable[[T], None]) -> None:
        """Do `action` outside the loop, then `then` with its result in the loop."""
        self.busy += 1

        def arrived(future: "Future[T]") -> None:
            self.busy -= 1
            then(future.result())

        self._pool.submit(action).add_done_callback(lambda future: self.post(partial(arrived, future)))

    def receive(self) -> None:
        """Wait for the next action and do every one that has arrived by then."""
        timeout = max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None
        try:
            self._inbox.get(timeout=timeout)()
            while True:
                self._inbox.get_nowait()()
        except queue.Empty:
            pass
        while self._timers and self._timers[0][0] <= time.monotonic():
            heapq.heappop(self._timers)[2]()

    def close(self) -> None:
        """Wait for work that is under way; drop the rest."""
        self._pool.shutdown(wait=True, cancel_futures=True)
