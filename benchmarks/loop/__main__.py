"""Replays 2013 in production: `python -m benchmarks.loop` (`make demo-loop`)."""

import argparse
import itertools
import json
import shutil
import tempfile
from pathlib import Path

from benchmarks.loop.page import total, write
from benchmarks.loop.services import MODEL, Home
from benchmarks.loop.year import Plan, Replay, as_json, say
from pipelines.config import find, load


def main() -> None:
    """Replay, and write page, chart and facts into a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=Plan.first, help="first month of requests, from 5")
    parser.add_argument("--last", type=int, default=Plan.last)
    parser.add_argument("--rows", type=int, default=Plan.rows, help="flights of a month that are asked about")
    parser.add_argument("--alone", action="store_true", help="without the comparison with monthly trainings")
    parser.add_argument("--out", type=Path, default=Path(".mlops") / "demo-loop", help="folder for the page")
    parser.add_argument("--port", type=int, default=18_601, help="first port of its servers")
    parser.add_argument("--keep", action="store_true", help="keep the stores in the folder, too")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    root = Path(tempfile.mkdtemp(prefix="loop-", dir=given.out)).absolute()
    try:
        plan = Plan(given.first, given.last, given.rows, compare=not given.alone)
        months = Replay.prepare(plan, Home(root, itertools.count(given.port, 3))).run()
    finally:
        if not given.keep:
            shutil.rmtree(root, ignore_errors=True)
    (given.out / "months.json").write_text(json.dumps(as_json(months), indent=2) + "\n", encoding="utf-8")
    page = write(months, given.out / "demo-loop.html", _bound())
    for month in months:
        if len(month.versions) > 1:
            new = f"version {month.versions[-1]} that answers"
            say(f"month {month.month}: {total(month):.0f} s from labels to {new}")
    print(page)


def _bound() -> float | None:
    """Return the least AUC that the use case wants."""
    least: float | None = load(find(MODEL)).configured("monitor_model").metrics[0].at_least
    return least


if __name__ == "__main__":
    main()
