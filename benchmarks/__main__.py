"""`make bench`: this program and TFX's LocalDagRunner in turns, and what the comparison says."""

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench, revision
from benchmarks.loop import new_month
from benchmarks.promises import goals, picture, summary

RESULTS = Path(__file__).with_name("results")
SIZES = ("15000", "all")
PORTS = (18_500, 18_510)
"""Of the servers that wait for a new month; the next ones are free as well."""


def main() -> None:
    """Measure what was asked for, print it and keep it as JSON; Ctrl-C leaves no process and no folder."""
    asked = _arguments(sys.argv[1:])
    signal.signal(signal.SIGTERM, _interrupt)
    machine = _machine()
    if machine["load"] > machine["cpus"] / 2:
        _log(
            f"the load of this machine is {machine['load']:.1f} on {machine['cpus']} CPUs: "
            "the times will include other programs' work"
        )
    try:
        with tempfile.TemporaryDirectory(prefix="bench-", dir=asked.folder) as folder:
            found = {"when": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine} | _measure(
                asked, Path(folder)
            )
    except KeyboardInterrupt:
        _log("stopped; nothing was kept")
        sys.exit(130)
    except RuntimeError as error:
        sys.exit(f"error: {error}")
    RESULTS.mkdir(exist_ok=True)
    target = RESULTS / f"{found['when'][:19].replace(':', '')}.json"
    target.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    target.with_suffix(".svg").write_text(picture.drawn(found), encoding="utf-8")
    print(f"\n{summary.UNFAIR}\n{target}\n{target.with_suffix('.svg')}")


def _arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rows", action="append", choices=SIZES, help="measure this many rows alone; default: both")
    parser.add_argument("--runs", type=int, default=3, help="cold runs of each program (default: 3); the median counts")
    parser.add_argument(
        "--memory", action="store_true", help="measure the memory of all rows and of ten times as many, instead of time"
    )
    parser.add_argument("--quick", action="store_true", help="15000 rows, one run")
    parser.add_argument("--no-peer", action="store_true", help="measure this program alone")
    parser.add_argument("--folder", type=Path, help="work below this folder; default: the temporary folder")
    asked = parser.parse_args(arguments)
    if asked.runs < 1:
        parser.error(f"--runs: wanted at least 1, got {asked.runs}")
    if asked.quick:
        asked.rows, asked.runs = ["15000"], 1
    return asked


def _measure(asked: argparse.Namespace, folder: Path) -> dict[str, Any]:
    bench = Bench(folder, not asked.no_peer, _log)
    bench.warm()
    found: dict[str, Any] = {"speed": {}, "memory": {}}
    promises: list[goals.Goal] = []
    if asked.memory:
        found["memory"] = {size: bench.memory(size) for size in ("all", "x10")}
        promises += goals.memory({size: one["peak_mib"]["ours"] for size, one in found["memory"].items()})
    else:
        for size in asked.rows or SIZES:
            found["speed"][size] = bench.speed(size, asked.runs)
            promises += goals.speed(size, found["speed"][size]["seconds"])
            promises += goals.steps(size, found["speed"][size]["steps"]["ours cold"])
            print(summary.speed(size, found["speed"][size]), flush=True)
        months = new_month.months(folder / "new-month", PORTS, range(5, 6 if asked.quick else 7))
        found["new_month"] = new_month.as_json(months)
        waiting = months["waiting"]
        promises += goals.new_month([month.run for month in waiting], [month.answered for month in waiting])
        print(summary.new_month(found["new_month"], found["speed"]), flush=True)
    print(summary.goals(promises), flush=True)
    return found | {"goals": [goal.as_json() for goal in promises]}


def _machine() -> dict[str, Any]:
    packages = ("tfx", "tensorflow", "kfp", "apache-beam", "pyarrow")
    about = {
        "cpus": len(os.sched_getaffinity(0)),
        "load": os.getloadavg()[0],
        "platform": platform.platform(),
        "processor": _processor(),
        "revision": revision(),
    }
    return about | {name: version(name) for name in packages}


def _processor() -> str:
    """Return name, family and model of the processor, by which Linux tells one from another; "" elsewhere."""
    described = Path("/proc/cpuinfo")
    if not described.is_file():
        return ""
    lines = (line.partition(":") for line in described.read_text(encoding="utf-8").splitlines())
    facts = {key.strip(): value.strip() for key, _, value in lines}
    return ", ".join(f"{key} {facts[key]}" for key in ("model name", "cpu family", "model") if key in facts)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
