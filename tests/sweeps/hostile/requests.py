"""Hostile heads and bodies over real sockets, for a server with two workers, while an honest client asks."""

import random
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from benchmarks.measure import pss_mebibytes
from tests.sweeps.served_model import Honest, honest_p99, served
from tests.sweeps.sweep import Sweep
from tests.unit.serving.http.fuzz import Answered, ask, fault, request

_CLIENTS = 4
_DEADLINE_SECONDS = 60.0
_SLOW_SECONDS = 1.0
_PARTS = ("Pss_Anon", "Pss_Shmem")
_WARM_UP = 500
"""Requests before memory is measured the first time, at most a tenth of all."""
_STEADY_SECONDS = 10.0
_BLOCK = 1000


def run(sweep: Sweep) -> None:
    """Send `count` requests."""
    first = sweep.seed * 10**9
    statuses: Counter[int] = Counter()
    slow = 0
    with served(sweep.folder, "--workers", "2") as server:
        list(_asked(server.port, range(first - min(_WARM_UP, sweep.count // 10), first)))
        steady = honest_p99(server.port, _STEADY_SECONDS)
        before = pss_mebibytes(server.process.pid, _PARTS)
        client, began = Honest(server.port), time.monotonic()
        with client.asking():
            for number, answered in _asked(server.port, range(first, first + sweep.count)):
                statuses[answered.status] += 1
                slow += answered.seconds > _SLOW_SECONDS
                if why := fault(answered):
                    sweep.wrong(f"request {number}: {why}")
                sweep.progress(number - first, sweep.count)
        seconds = time.monotonic() - began
        after = pss_mebibytes(server.process.pid, _PARTS)
    for failure in client.failed:
        sweep.wrong(f"an honest client: {failure}")
    sweep.count_of("requests", sum(statuses.values()))
    sweep.count_of("requests per second", round(sum(statuses.values()) / seconds))
    for status, count in sorted(statuses.items()):
        sweep.count_of("closed without an answer" if status == 0 else f"answered {status}", count)
    sweep.exactly("answers that are not as promised", len(sweep.problems) - len(client.failed), 0)
    sweep.exactly("answers after more than 1 s", slow, 0)
    sweep.at_most("growth of the server, MiB", round(after - before, 1), 64)
    sweep.exactly("honest requests that failed", len(client.failed), 0)
    sweep.at_most("an honest client's p99 during / before", round(client.p99() / steady, 2), 2)


def _asked(port: int, numbers: range) -> Iterator[tuple[int, Answered]]:
    """Send the requests of some numbers, a few at once; yields number and answer."""
    with ThreadPoolExecutor(_CLIENTS) as pool:
        for at in range(0, len(numbers), _BLOCK):
            block = numbers[at : at + _BLOCK]
            yield from zip(block, pool.map(partial(_ask, port), block), strict=True)


def _ask(port: int, number: int) -> Answered:
    return ask(port, request(random.Random(number)), _DEADLINE_SECONDS)
