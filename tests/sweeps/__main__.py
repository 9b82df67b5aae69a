"""Runs sweeps: `python -m tests.sweeps flips --count 10000 --seed 1`; without a name, lists them.

Each prints its figures beside their goals. Returns 0 when all goals are reached, 1 when one is not, and 77 when the
sweep cannot be done on this machine.
"""

import argparse
import importlib
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from core.source_commit import source_commit
from tests.sweeps.catalog import SWEEPS
from tests.sweeps.result import Result
from tests.sweeps.sweep import Sweep, Unable

ROOT = Path(__file__).parents[2]
_COMMON = {"name", "count", "sample", "seed", "workers", "json", "folder", "minutes"}


def main(arguments: Sequence[str]) -> int:
    """Run one sweep."""
    asked = _parser().parse_args(arguments)
    if asked.name is None:
        for name, entry in SWEEPS.items():
            print(f"{name:10} {entry.about} ({f'{entry.count:,}' if entry.count else 'all'} cases)")
        return 0
    entry = SWEEPS[asked.name]
    folder = Path(tempfile.mkdtemp(prefix=f"sweep-{asked.name}-", dir=asked.folder))
    count = entry.sample if asked.sample else entry.count if asked.count is None else asked.count
    options = {name: value for name, value in vars(asked).items() if name not in _COMMON}
    sweep = Sweep(asked.name, count, asked.seed, folder, options, asked.workers, asked.minutes)
    try:
        result = finished(sweep, entry.module)
    except Unable as error:
        print(f"skipped: {error}")
        shutil.rmtree(folder)
        return 77
    print(result.as_json() if asked.json else "\n".join(result.lines()))
    if result.holds:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"what was left behind is in {folder}", file=sys.stderr)
    return int(not result.holds)


def finished(sweep: Sweep, module: str) -> Result:
    """Run a sweep to its end; Unable when this machine lacks something."""
    load, when = os.getloadavg()[0], datetime.now(UTC).isoformat(timespec="minutes")
    importlib.import_module(module).run(sweep)
    source = source_commit(ROOT)
    commit = (source.commit[:12] or "unknown") + ("" if source.clean else "+")
    return Result(
        sweep.name, sweep.count, sweep.seed, when, commit, load, round(sweep.seconds, 1),
        tuple(sweep.figures), tuple(sweep.problems),
    )  # fmt: skip


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.sweeps", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(dest="name", metavar="SWEEP")
    for name, entry in SWEEPS.items():
        verb = verbs.add_parser(name, help=entry.about, description=entry.about)
        cases = f"{entry.count}" if entry.count else "all that there are"
        verb.add_argument("--count", type=int, help=f"how many cases (default: {cases})")
        verb.add_argument("--sample", action="store_true", help=f"{entry.sample} cases, as the tests do")
        verb.add_argument("--seed", type=int, default=1, help="of chance (default: 1)")
        verb.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)), help="processes at once")
        verb.add_argument(
            "--minutes", type=float, default=0.0, help="begin no case after so many (faults, flips, bodies)"
        )
        verb.add_argument("--json", action="store_true", help="print one JSON object")
        verb.add_argument("--folder", help="where to work (default: a folder of the system's)")
        for flag, settings in entry.options.items():
            verb.add_argument(flag, **settings)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
