"""Plants one fault after the other in the code of gates, and counts those that no test finds.

    python -m tests.mutation [FILE...] [--minutes 30] [--share 0.2]

`make mutants` installs what it needs. Returns 1 when a fault was not found that is not listed as equivalent.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.mutation.targets import EQUIVALENT, TARGETS, Target
from tests.mutation.trial import run, warm_up

_PLANTING = Path(__file__).with_name("planting.py")
_CHECKS = Path(".venv-checks/bin/python")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", choices=[[], *TARGETS], metavar="FILE")
    parser.add_argument("--minutes", type=float, default=60.0, help="when to stop with the rest untried")
    parser.add_argument("--share", type=float, default=1.0, help="of the faults, the same in every run")
    parser.add_argument("--python", type=Path, default=_CHECKS, help="the one that has cosmic-ray")
    options = parser.parse_args()
    if not options.python.exists():
        parser.error(f"{options.python} does not exist: make mutants installs it")
    end = time.monotonic() + 60 * options.minutes
    chosen = options.files or list(TARGETS)
    missed = 0
    print(
        f"{'file':44} {'faults':>7} {'found':>7} {'equivalent':>11} {'missed':>7} {'untried':>8} {'found of all':>13}"
    )
    for file in chosen:
        missed += _tried(file, TARGETS[file], _planted(options.python, file, options.share), end)
    return int(missed > 0)


def _planted(python: Path, file: str, share: float) -> list[dict[str, Any]]:
    planted = subprocess.run([python, _PLANTING, file], capture_output=True, text=True, check=True)
    faults = [json.loads(line) for line in planted.stdout.splitlines()]
    chance = random.Random(file)
    return [fault for fault in faults if chance.random() < share]


def _tried(file: str, target: Target, faults: list[dict[str, Any]], end: float) -> int:
    """Try the faults of a file, and print a line for each that was missed and one about all; return their number."""
    began = time.monotonic()
    equivalent = EQUIVALENT.get(file, {})
    real = [fault for fault in faults if fault["change"] not in equivalent]
    found = tried = 0
    missed: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        warm_up(target.tests, log)
        unchanged = run(Path(file), None, target.tests, 1800, log)
        if unchanged.found:
            sys.exit(f"{file}: its tests fail without a fault:\n{log.read_text()[-3000:]}")
        for fault in real:
            if time.monotonic() > end:
                break
            tried += 1
            if run(Path(file), fault["source"], target.tests, 30 + 10 * unchanged.seconds, log).found:
                found += 1
            else:
                missed.append(fault)
                print(f"  {file}:{fault['line']} {fault['operator'].rpartition('/')[2]}: {fault['change']}", flush=True)
    share = f"{found / tried:.1%}" if tried else "-"
    numbers = (
        f"{len(faults):7} {found:7} {len(faults) - len(real):11} {len(missed):7} {len(real) - tried:8} {share:>13}"
    )
    print(f"{file:44} {numbers}  ({time.monotonic() - began:.0f} s)", flush=True)
    return len(missed)


if __name__ == "__main__":
    sys.exit(main())
