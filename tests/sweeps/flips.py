"""Flips one bit after the other in an exported run, and counts those that `mlops verify` does not find.

    mlops runs export RUN -o FOLDER
    python -m tests.sweeps.flips FOLDER --flips 10000

Returns 1 when a flip was not found, or the file with it was not named.
"""

import argparse
import random
import sys
from pathlib import Path

from core.decision import Verdict
from core.errors import CorruptArtifact
from mlops.actions.verification.checks import of_folder
from mlops.actions.verification.export import INDEX


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--flips", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    files = sorted(path for path in options.folder.rglob("*") if path.is_file() and path.stat().st_size)
    if not of_folder(options.folder).is_open:
        sys.exit(f"{options.folder}: it differs from its digests already; export the run again")
    unseen = 0
    for number in range(options.flips):
        path = chance.choice(files)
        content = path.read_bytes()
        bit = chance.randrange(len(content) * 8)
        if path.relative_to(options.folder).as_posix() not in _named_after(path, content, bit, options.folder):
            unseen += 1
            print(f"{path}: bit {bit} was not found", flush=True)
        if number % 500 == 499:
            print(f"{number + 1} flips, {unseen} not found", flush=True)
    print(f"{options.flips} flips in {len(files)} files, {unseen} not found")
    return int(unseen > 0)


def _named_after(path: Path, content: bytes, bit: int, folder: Path) -> set[str]:
    """Return the files that are named while one bit of a file is another; the file is put back."""
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    path.write_bytes(changed)
    try:
        decision = of_folder(folder)
    except CorruptArtifact:
        return {INDEX}
    finally:
        path.write_bytes(content)
    failed = (check.rule for check in decision.checks if check.verdict is Verdict.FAIL)
    return {rule.removeprefix("file ") for rule in failed}


if __name__ == "__main__":
    sys.exit(main())
