"""`localrun clean --older-than 30d`: lists what would be removed, and with `--yes` removes it."""

import argparse
import contextlib
import sys
from datetime import UTC, datetime
from pathlib import Path

from localrun.display.progress import memory
from localrun.errors import StoreError
from localrun.store.clean import Plan, age, clean, plan
from localrun.store.journal import Journal
from localrun.store.layout import STORE, Layout, alone


def clean_up(argv: list[str]) -> int:
    """Return 0 when done or when only asked; LocalrunError for a store that cannot be used."""
    parser = argparse.ArgumentParser(
        prog="localrun clean", description="Remove old runs with their artifacts and cache entries."
    )
    parser.add_argument(
        "--older-than",
        required=True,
        metavar="AGE",
        help="such as 30d, 12h, 90m or 2w; counted from when the run was started",
    )
    parser.add_argument("--store", type=Path, default=STORE, help="default: %(default)s")
    parser.add_argument("--yes", action="store_true", help="remove; without it nothing is changed")
    arguments = parser.parse_args(argv)
    _clean(Layout(arguments.store.absolute()), datetime.now(UTC) - age(arguments.older_than), really=arguments.yes)
    return 0


def _clean(layout: Layout, before: datetime, *, really: bool) -> None:
    if not layout.journal.exists():
        raise StoreError(f"{layout.root}: no store: no run has been started here")
    with contextlib.closing(Journal(layout)) as journal:
        if really:
            _say(clean(layout, journal, before), "removed")
            return
        with alone(layout):
            _say(plan(layout, journal, before), "would remove")
    print("nothing was changed; --yes removes it")


def _say(found: Plan, what: str) -> None:
    for run_id in found.runs:
        print(run_id)
    for run_id, reason in found.kept.items():
        print(f"{run_id} {reason}", file=sys.stderr)
    print(
        f"{what} {len(found.runs)} runs, {len(found.executions)} cache entries, "
        f"{len(found.folders)} folders, {memory(found.size)}"
    )
