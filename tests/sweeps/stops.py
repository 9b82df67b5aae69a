"""A server is told to end at any moment: while it starts, while a worker is replaced, while a request is under way."""

import http.client
import os
import random
import signal
import subprocess
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.sweeps.served_model import PREDICT, publish
from tests.sweeps.sweep import Sweep
from tests.unit.serving.server_process import BODY, Served, send, serving

_LONGEST_SECONDS = 10.0
"""From the last signal to the end; a request that has begun ends before, and a process is killed after 26 seconds."""
_EARLY = {-signal.SIGTERM, 1}
"""Codes of a program that ended before it served: by SIGTERM, and by Ctrl-C."""


@dataclass(frozen=True)
class Case:
    """When and how one server is told to end."""

    delay: float
    """Seconds after it has said where it will answer."""
    asks: bool
    """Whether a request is under way; it is given once the server is ready."""
    kills: bool
    """Whether a worker has just been killed, so that another starts."""
    number: signal.Signals
    to: str
    """Who gets it: `supervisor`, as with `kill` and in a container; `all` at once, as from a terminal and systemd;
    `children`, and the supervisor later."""
    pause: float
    """Seconds between a kill, each group's signal, and the body of the request."""

    @classmethod
    def by(cls, chance: random.Random) -> Self:
        """Choose one."""
        return cls(
            delay=chance.choice((chance.uniform(0, 0.5), chance.uniform(0, 3))),
            asks=chance.random() < 0.5,
            kills=chance.random() < 0.5,
            number=chance.choice((signal.SIGINT, signal.SIGTERM)),
            to=chance.choice(("supervisor", "all", "children")),
            pause=chance.uniform(0, 0.4),
        )


def run(sweep: Sweep) -> None:
    """End `count` servers."""
    publish(sweep.folder)
    chance, longest, asked = sweep.chance(), 0.0, 0
    for number in range(sweep.count):
        case = Case.by(chance)
        with serving(sweep.folder, "--all", "--workers", "2") as server:
            assert server.process.stdout is not None
            server.process.stdout.readline()
            time.sleep(case.delay)
            seconds, problems = _ended(server, case)
        longest, asked = max(longest, seconds), asked + case.asks
        for problem in problems:
            sweep.wrong(f"case {number}, {case}: {problem}")
        sweep.progress(number + 1, sweep.count, "servers")
    sweep.count_of("servers", sweep.count)
    sweep.count_of("of which a request was under way in", asked)
    sweep.exactly("that cut a request off, left a process or ended with an error", len(sweep.problems), 0)
    sweep.at_most("longest time to end, seconds", round(longest, 1), _LONGEST_SECONDS)


def _ended(server: Served, case: Case) -> tuple[float, list[str]]:
    """End a server; returns how many seconds that took, and what was wrong."""
    if case.asks:
        server.until(lambda: server.ask("/readyz")[0] == 200)
    if case.kills and (workers := server.workers()):
        os.kill(workers[0], signal.SIGKILL)
        time.sleep(case.pause)
    problems = []
    with server.begun(PREDICT) if case.asks else nullcontext() as request:
        children = server.children()
        first = [server.process.pid]
        groups = {"supervisor": [first], "all": [first + children], "children": [children, first]}
        send(case.number, groups[case.to], case.pause)
        since = time.monotonic()
        if request is not None and (answer := _answer(request)) != "200":
            problems.append(f"the request that was under way: wanted 200, got {answer}")
    try:
        code = server.process.wait(60)
    except subprocess.TimeoutExpired:
        return 60.0, [*problems, "it does not end"]
    seconds = time.monotonic() - since
    log = server.log.read_text()
    if code != 0 and (code not in _EARLY or "is loaded" in log):
        problems.append(f"it ended with {code}")
    if "Traceback" in log:
        problems.append(f"a traceback: {log[-2000:]}")
    problems += [f"process {pid} is left" for pid in children if Path(f"/proc/{pid}").exists()]
    return seconds, problems


def _answer(request: http.client.HTTPConnection) -> str:
    """Send the body; returns the status of the answer, or the error."""
    try:
        request.send(BODY.encode())
        return str(request.getresponse().status)
    except (OSError, http.client.HTTPException) as error:
        return f"{type(error).__name__}: {error}"
