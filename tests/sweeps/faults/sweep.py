"""Fails every target at every point, repeats what failed, and counts what is not as promised."""

import collections
import importlib
import shutil
import signal
import traceback
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from sweeps import points
from sweeps.points import Point

from tests.sweeps.catalog import TARGETS
from tests.sweeps.faults.attempt import Attempt, Tried
from tests.sweeps.faults.child import DONE, REFUSED, Ended, Seen, traced
from tests.sweeps.sweep import Sweep, Unable

_ATTEMPTS: dict[str, tuple[str, str]] = {
    "push": ("tests.sweeps.faults.push", "Push"),
    "release": ("tests.sweeps.faults.release", "Promotion"),
    "triggers": ("tests.sweeps.faults.triggers", "Delivery"),
    "labels": ("tests.sweeps.faults.labels", "Import"),
    "predictions": ("tests.sweeps.faults.predictions", "Log"),
}
_MET = 0.9
"""Share of the points that must be met; a run can go another way each time."""


def run(sweep: Sweep) -> None:
    """Run targets one after the other; `count` points of each at most, all of them when it is 0."""
    if reason := points.missing():
        raise Unable(reason)
    faults = sweep.options.get("fault") or [*points.FAULTS]
    tried_with: collections.Counter[str] = collections.Counter()
    met: collections.Counter[str] = collections.Counter()
    refused = nameless = 0
    for target in sweep.options.get("target") or TARGETS:
        wrong = count = 0
        for tried in _tried(sweep, target, faults):
            count += 1
            tried_with[tried.point.fault] += 1
            met[tried.point.fault] += tried.met
            refused += tried.refused
            nameless += bool(tried.nameless)
            wrong += bool(tried.problems)
            for problem in (*tried.problems, *([f"names no path: {tried.nameless}"] if tried.nameless else [])):
                sweep.wrong(f"{target}: {tried.point}: {problem}")
        sweep.count_of(f"points of {target} tried", count)
        sweep.exactly(f"points of {target} after which something is wrong", wrong, 0)
    for fault in faults:
        # Else the sweep proves nothing: some versions of strace inject no signals in some of their modes.
        sweep.at_least(f"{fault} met", met[fault], int(_MET * tried_with[fault]))
    sweep.count_of("refused with an error", refused)
    sweep.exactly("refusals that name no path", nameless, 0)


def _tried(sweep: Sweep, target: str, faults: list[str]) -> Iterator[Tried]:
    if target == "runner":
        from tests.sweeps.faults.runner import all_points, try_point

        setting, found = all_points(sweep.folder / target)
        attempt = partial(try_point, setting)
    else:
        module, name = _ATTEMPTS[target]
        kind: type[Attempt] = getattr(importlib.import_module(module), name)
        found = _points_of(kind, sweep.folder / target)
        attempt = partial(_try_point, kind, sweep.folder / target)
    chosen = [point for point in found if point.fault in faults]
    chosen = sweep.chance().sample(chosen, min(sweep.count or len(chosen), len(chosen)))
    sweep.count_of(f"points that {target} has", len(found))
    with ProcessPoolExecutor(sweep.workers) as pool:
        for done, tried in enumerate(pool.map(attempt, chosen), 1):
            sweep.progress(done, len(chosen), target)
            yield tried
            if sweep.is_over:
                pool.shutdown(cancel_futures=True)
                return


def _points_of(kind: type[Attempt], folder: Path) -> list[Point]:
    """Act once without a fault, and return every place where it could have failed."""
    folder.mkdir()
    seen = Seen()
    attempt = kind(folder / "whole", seen)
    ended = traced(attempt.act, seen, folder / "trace", f"--trace={','.join(points.CALLS)}")
    if ended.code != DONE or (wrong := attempt.problems()):
        raise RuntimeError(f"without a fault: {ended.text or wrong}")
    return points.counted(folder / "trace")


def _try_point(kind: type[Attempt], folder: Path, point: Point) -> Tried:
    place = folder / f"{point.fault}-{point.call}-{point.number}"
    trace = folder / f"{place.name}.trace"
    seen = Seen()
    try:
        attempt = kind(place, seen)
        ended = traced(attempt.act, seen, trace, *point.options)
        problems = _wrong_end(point, ended) + attempt.problems()
    except Exception:
        return Tried(point, True, False, "", [traceback.format_exc()])
    if not problems:
        shutil.rmtree(place)
    refused = ended.code == REFUSED
    nameless = ended.text if refused and "/" not in ended.text else ""
    return Tried(point, points.was_met(point, trace), refused, nameless, problems)


def _wrong_end(point: Point, ended: Ended) -> list[str]:
    """A fault may go unnoticed where what failed did not matter; else it is named."""
    wanted = {DONE, -signal.SIGKILL} if point.fault == "KILL" else {DONE, REFUSED}
    return [] if ended.code in wanted else [f"it ended with {ended.code}: {ended.text}"]
