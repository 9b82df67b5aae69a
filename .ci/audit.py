#!/usr/bin/env python3
"""Looks the locked packages up in a database of vulnerabilities (OSV), without those that .ci/waivers.toml waives.

    python3 .ci/audit.py UV [option of `uv audit`...]

Returns 0 when nothing else is known, 1 when something is, and 2 when the database could not be asked: then nothing was
looked up. Needs the network.
"""

import subprocess
import sys
import tomllib
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

WAIVERS = Path(__file__).with_name("waivers.toml")


def main() -> int:
    """Check the waivers, and ask with those that still hold."""
    uv, *options = sys.argv[1:]
    today = datetime.now(UTC).date()
    waivers = read(WAIVERS)
    for waiver in waivers:
        state = "until" if waiver["until"] > today else "no longer, since"
        print(f"waived {state} {waiver['until']}: {waiver['id']} of {waiver['package']}: {waiver['why']}", flush=True)
    ignored = [word for one in waivers if one["until"] > today for word in ("--ignore", one["id"])]
    command = [uv, "audit", "--preview-features", "audit", "--frozen", *ignored, *options]
    ended = subprocess.run(command, check=False).returncode  # noqa: S603 - a list, never a shell line
    if ended not in (0, 1):
        print(
            f"audit: NOT DONE: uv audit ended with {ended}, see above. Nothing was looked up, so no package counts as "
            "checked; run it where https://api.osv.dev can be reached",
            file=sys.stderr,
        )
        return 2
    return ended


def read(path: Path) -> list[dict[str, Any]]:
    """Read the waivers; ValueError for one without its reason, or without its day."""
    waivers = tomllib.loads(path.read_text(encoding="utf-8")).get("waiver", [])
    for waiver in waivers:
        if not {"id", "package", "until", "why"} <= waiver.keys() or not isinstance(waiver["until"], date):
            raise ValueError(f"{path}: wanted id, package, until = YYYY-MM-DD and why, got {waiver}")
        if len(str(waiver["why"]).split()) < 5:
            raise ValueError(f"{path}: {waiver['id']}: wanted the reason in a sentence, got {waiver['why']!r}")
    return waivers


if __name__ == "__main__":
    sys.exit(main())
