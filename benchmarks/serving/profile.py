"""Where the time of one predict request goes in the model server, in milliseconds."""

import asyncio
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.serving.load import load, request_of

_TIMES = 300
_STEPS = ("read, write", "parse", "convert", "infer", "encode", "the rest", "whole")


def profile(model: Path, bodies: Mapping[int, bytes], port: int, path: str, seconds: float) -> str:
    """Lay out the time of one client's request, by the number of its rows."""
    lines = [f"\n{'one client, ms':<16}{''.join(f'{step:>13}' for step in _STEPS)}{'above infer':>13}{'%':>6}"]
    empty = load(port, request_of("/healthz"), 1, seconds).median_ms
    for rows, parts in _in_process(model, bodies).items():
        whole = load(port, request_of(path, bodies[rows]), 1, seconds).median_ms
        known = {"read, write": empty, **parts}
        shown = {**known, "the rest": whole - sum(known.values()), "whole": whole}
        above = whole - parts["infer"]
        line = "".join(f"{shown[step]:>13.3f}" for step in _STEPS)
        lines.append(f"{rows:>4} rows       {line}{above:>13.3f}{100 * above / parts['infer']:>6.0f}")
    lines.append(
        f"bodies that go to a thread, and requests that are not quick: {_hop():.3f} for the way there and back"
    )
    return "\n".join(lines)


def _in_process(model: Path, bodies: Mapping[int, bytes]) -> dict[int, dict[str, float]]:
    """Time the parts that need no connection, each alone in this process."""
    import orjson

    from adapters.quiet import quiet_libraries
    from serving.bodies import responses
    from serving.bodies.decoder import decode
    from serving.limits import Limits
    from serving.models.savedmodel import SavedModel

    quiet_libraries()
    loaded, limits = SavedModel(model), Limits()
    found = {}
    for rows, body in bodies.items():
        decoded = decode(body, loaded.signatures, limits)
        assert decoded is not None, "the decoder leaves the benchmark's rows to the strict parser"
        outputs = loaded.run(decoded.signature, decoded.feeds.columns)
        parse = _usual(partial(orjson.loads, body))
        found[rows] = {
            "parse": parse,
            "convert": _usual(partial(decode, body, loaded.signatures, limits)) - parse,
            "infer": _usual(partial(loaded.run, decoded.signature, decoded.feeds.columns)),
            "encode": _usual(partial(responses.predict_body, outputs, rows, "instances")),
        }
    return found


def _usual(call: Callable[[], Any]) -> float:
    """Return the milliseconds of a call: the median, as for a whole request."""
    waits = []
    for _ in range(_TIMES):
        began = time.perf_counter()
        call()
        waits.append(time.perf_counter() - began)
    return sorted(waits)[_TIMES // 2] * 1e3


def _hop() -> float:
    """Time the way of a request's work to a thread and back."""
    from starlette.requests import Request

    from serving.answer_pool import AnswerPool
    from serving.limits import Limits

    async def hops() -> float:
        pool = AnswerPool(Limits())
        request = Request({"type": "http", "method": "POST", "path": "/", "headers": []})
        waits = []
        for _ in range(_TIMES):
            began = time.perf_counter()
            await pool.run(request, int)
            waits.append(time.perf_counter() - began)
        pool.shutdown()
        return sorted(waits)[_TIMES // 2] * 1e3

    return asyncio.run(hops())
