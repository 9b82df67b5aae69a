"""Hostile bodies for the application without a network, in as many processes as were asked for."""

import asyncio
import gc
import itertools
import multiprocessing
import os
import queue
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from core.backends.registry import open_registry
from serving.http.app import ServingApp
from serving.metrics import Metrics
from serving.versions.loaded import load_version
from serving.versions.manager import ModelManager, Watch
from serving.versions.shelf import RegistryShelf
from tests.sweeps.hostile.bad_bodies import fault, made
from tests.sweeps.served_model import MODEL, PREDICT
from tests.sweeps.sweep import Sweep

_PATHS = (PREDICT, PREDICT, f"/v1/models/{MODEL}:classify", f"/v2/models/{MODEL}/infer")
"""The second is for bodies whose fault is known."""
_AT_ONCE = 4
_SLOW_SECONDS = 1.0
_WARM_UP = 2000
"""Bodies before memory is measured the first time, at most a tenth of all."""
_REPORT = 500


class Share(NamedTuple):
    """What one process found."""

    bodies: int
    statuses: dict[int, int]
    faults: list[str]
    unnamed: int
    """Bad values whose place was not named."""
    slow: int
    grown_mib: float


def run(sweep: Sweep) -> None:
    """Ask with `count` bodies."""
    shared = multiprocessing.get_context("spawn").Manager().Queue()
    first, share = sweep.seed * 10**9, -(-sweep.count // sweep.workers)
    with ProcessPoolExecutor(sweep.workers, multiprocessing.get_context("spawn")) as pool:
        futures = [
            pool.submit(
                ask_all,
                sweep.folder / f"{at}",
                (first + at, first + min(at + share, sweep.count)),
                shared,
                sweep.minutes,
            )
            for at in range(0, sweep.count, share)
        ]
        done = 0
        while not all(future.done() for future in futures):
            try:
                done += shared.get(timeout=1.0)
            except queue.Empty:
                continue
            sweep.progress(done, sweep.count)
        found = [future.result() for future in futures]
    _report(sweep, found)


def _report(sweep: Sweep, found: list[Share]) -> None:
    statuses: dict[int, int] = {}
    for share in found:
        for problem in share.faults:
            sweep.wrong(problem)
        for status, count in share.statuses.items():
            statuses[status] = statuses.get(status, 0) + count
    sweep.count_of("bodies", sum(share.bodies for share in found))
    for status, count in sorted(statuses.items()):
        sweep.count_of(f"answered {status}", count)
    sweep.exactly(
        "answers that are not as promised (5xx, no JSON, no place)", sum(len(share.faults) for share in found), 0
    )
    sweep.exactly("bad values whose place is not named", sum(share.unnamed for share in found), 0)
    sweep.exactly("answers after more than 1 s", sum(share.slow for share in found), 0)
    sweep.at_most("growth of a process, MiB", round(max(share.grown_mib for share in found), 1), 64)


def ask_all(folder: Path, numbers: tuple[int, int], shared: "queue.Queue[int]", minutes: float) -> Share:
    """Ask one application with the bodies of a range of numbers, its end left out."""
    from tests.unit.serving.tiny_models import export_delay

    folder.mkdir(parents=True)
    registry = open_registry(str(folder / "models"))
    registry.promote(MODEL, registry.publish(MODEL, export_delay(folder / "exported", bias=-1.0), {}).version)
    metrics = Metrics()
    manager = ModelManager(RegistryShelf(folder / "models"), load_version, metrics, Watch(seconds=3600))
    manager.poll()
    app = ServingApp(manager, metrics)
    return asyncio.run(_asked(app.asgi, range(*numbers), shared.put, minutes))


async def _asked(asgi: Any, numbers: range, report: Callable[[int], object], minutes: float) -> Share:
    statuses: dict[int, int] = {}
    faults: list[str] = []
    counts = {"unnamed": 0, "slow": 0, "done": 0}
    until = time.monotonic() + 60 * minutes if minutes else float("inf")
    waiting = itertools.takewhile(lambda _: time.monotonic() < until, numbers)
    before = 0.0

    async def client() -> None:
        nonlocal before
        for number in waiting:
            began = time.perf_counter()
            body = made(number)
            asked = time.perf_counter()
            path = _PATHS[1] if body.error else _PATHS[number // 2 % len(_PATHS)]
            status, answer = await _answer(asgi, path, body.content)
            counts["slow"] += time.perf_counter() - asked > _SLOW_SECONDS
            statuses[status] = statuses.get(status, 0) + 1
            if wrong := fault(body, status, answer):
                counts["unnamed"] += bool(body.error)
                faults.append(f"body {number} ({asked - began:.4f} s to make): {wrong}")
            counts["done"] += 1
            if counts["done"] == min(_WARM_UP, 1 + len(numbers) // 10):
                before = _own_mib()
            if counts["done"] % _REPORT == 0:
                report(_REPORT)

    async with _alive(asgi):
        await asyncio.gather(*(client() for _ in range(_AT_ONCE)))
    return Share(counts["done"], statuses, faults, counts["unnamed"], counts["slow"], _own_mib() - before)


class _alive:  # noqa: N801 - reads as a phrase
    """Runs the application's own start and end around a block."""

    def __init__(self, asgi: Any) -> None:
        self._asgi = asgi
        self._received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._asgi({"type": "lifespan"}, self._received.get, self._sent.put))
        await self._received.put({"type": "lifespan.startup"})
        message = await self._sent.get()
        assert message["type"] == "lifespan.startup.complete", message

    async def __aexit__(self, *_: object) -> None:
        await self._received.put({"type": "lifespan.shutdown"})
        await self._sent.get()
        await self._task


async def _answer(asgi: Any, path: str, content: bytes) -> tuple[int, bytes]:
    """Ask once, as a server that has read the whole body does."""
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    scope = {
        "type": "http", "http_version": "1.1", "method": "POST", "scheme": "http", "path": path,
        "raw_path": path.encode(), "query_string": b"", "root_path": "", "headers": headers,
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8501),
    }  # fmt: skip
    status, parts = 0, []
    messages = [{"type": "http.request", "body": content, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop()
        await asyncio.Event().wait()  # the client stays
        raise AssertionError

    async def send(message: dict[str, Any]) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        else:
            parts.append(message.get("body", b""))

    await asgi(scope, receive, send)
    return status, b"".join(parts)


def _own_mib() -> float:
    gc.collect()
    resident = int(Path("/proc/self/statm").read_text().split()[1])
    return resident * os.sysconf("SC_PAGE_SIZE") / 2**20
