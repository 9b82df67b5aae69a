"""Keepers that are forked before there is a task for them, since forking takes longer than most other things here.

Loaded by `worker.py` under the environment's own interpreter; imports nothing of localrun.
"""

import gc
import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from localrun.hosts import keeper, orders
else:
    keeper, orders = sys.modules["localrun_keeper"], sys.modules["localrun_orders"]


class Spare(NamedTuple):
    """A keeper that waits for a task."""

    pid: int
    orders: "orders.Orders"
    run: socket.socket | None
    """The run whose task it waits for; None where it may be any."""


class Spares:
    """Those of one host, by the function whose task they take; "" is for any, once the imports are done."""

    def __init__(self, opened: Callable[[], list[socket.socket]]) -> None:
        """`opened` returns the sockets of the host that a keeper must not hold."""
        self._opened = opened
        self._found: dict[str, Spare] = {}

    def __contains__(self, function: str) -> bool:
        return function in self._found

    @property
    def pids(self) -> list[int]:
        """Their processes."""
        return [spare.pid for spare in self._found.values()]

    def fork(self, function: str, coming: "orders.Coming | None" = None, run: socket.socket | None = None) -> None:
        """Fork one, which prepares for what is coming while it waits; OSError when there can be no new process.

        It must not hold what is open here: who reads waits until nobody can write.
        """
        before = signal.pthread_sigmask(signal.SIG_BLOCK, keeper.KEPT)
        try:
            waiting = orders.Orders()
            pid = os.fork()
            if pid == 0:
                gc.freeze()  # amid the imports, too
                ends = [end for spare in self._found.values() for end in (spare.orders.reading, spare.orders.writing)]
                keeper.Keeper(waiting, [*self._opened(), *ends], coming).run()
            self._found[function] = Spare(pid, waiting, run)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def take(self, function: str, run: socket.socket) -> Spare | None:
        """Return the one for a function's task of a run, which no longer waits; None where there is none."""
        spare = self._found.get(function)
        return None if spare is None or spare.run not in {None, run} else self._found.pop(function)

    def dismiss(self, run: socket.socket | None = None) -> None:
        """End those of a run, or all."""
        for function, spare in list(self._found.items()):
            if run is None or spare.run is run:
                self._found.pop(function, None)
                spare.orders.close()

    def forget(self, pid: int) -> None:
        """A process has ended."""
        for function in [function for function, spare in self._found.items() if spare.pid == pid]:
            self._found.pop(function).orders.close()
