"""`make bench`: this project and TFX's LocalDagRunner side by side, then what the comparison says."""

import argparse
import json
import os
import platform
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks import measure, rows
from benchmarks.options import write_options

RESULTS = Path(__file__).with_name("results")
TARGETS = {"15k": 0.5, "all": 0.4}
"""Largest share of TFX's cold wall time that is good enough, by size."""
CACHED_TARGET = 0.05
PSS_TARGET_MIB = 3072
GROWTH_TARGET = 1.3
"""Memory at ten times the rows, against memory at all of them."""


@dataclass(frozen=True)
class Bench:
    """Where a benchmark works and what it runs."""

    folder: Path
    peer: bool
    beam: list[str]

    def ours(self, prepared: rows.Prepared, store: Path, *, memory: bool = False) -> tuple[measure.Measured, dict[str, Any]]:
        """Run `mlops run` as a whole process; with its own account of where the time went."""
        command = [sys.executable, "-m", "mlops.cli.main", "run", str(prepared.usecase), "--span", str(prepared.span), "--json"]
        measured = measure.run(command, environment={"MLOPS_HOME": str(store)}, log=store.with_suffix(".log"), sample_memory=memory)
        said: dict[str, Any] = json.loads(measured.output)
        assert said["pushed_model"], "a benchmark's gate lets every model pass"
        return measured, said

    def theirs(self, prepared: rows.Prepared, store: Path, *, memory: bool = False) -> measure.Measured:
        """Run the peer as a whole process."""
        options = prepared.peer / "options.json"
        write_options(prepared, options, self.beam)
        command = [sys.executable, "-m", "benchmarks.peer_tfx", str(prepared.peer), str(store), str(options)]
        measured = measure.run(command, environment={"PYTHONWARNINGS": "ignore"}, log=store.with_suffix(".log"), sample_memory=memory)
        assert json.loads(measured.output.splitlines()[-1])["pushed"], "the peer pushes too, or it did less"
        return measured

    def prepare(self, name: str) -> rows.Prepared:
        """Write the rows of a size, once."""
        from usecases.flight_delay.data import write_spans

        write_spans(self.folder / "months")
        return rows.prepare(self.folder / name, rows.size(name), self.folder / "months")

    def speed(self, name: str, repeats: int) -> dict[str, Any]:
        """Measure cold and cached runs of both programs in turns; a store is used for one repeat only."""
        prepared = self.prepare(name)
        times: dict[str, list[float]] = {"ours cold": [], "ours cached": [], "tfx cold": [], "tfx cached": []}
        account: dict[str, Any] = {}
        for repeat in range(repeats):
            stores = {who: self.folder / name / f"{who}-{repeat}" for who in ("ours", "tfx")}
            for what in ("cold", "cached"):
                measured, account_now = self.ours(prepared, stores["ours"])
                account |= {what: account_now}
                times[f"ours {what}"].append(measured.seconds)
                if self.peer:
                    times[f"tfx {what}"].append(self.theirs(prepared, stores["tfx"]).seconds)
        assert all(task["cached"] or task["state"] == "SKIPPED" for task in account["cached"]["tasks"]), "a rerun computes nothing again"
        tasks = {task["name"]: task["seconds"] for task in account["cold"]["tasks"]}
        return {"rows": prepared.rows, "seconds": times, "tasks": tasks, "ours_run_seconds": account["cold"]["seconds"]}

    def memory(self, name: str) -> dict[str, Any]:
        """Measure the largest memory of the whole process tree in a run of its own."""
        prepared = self.prepare(name)
        measured, said = self.ours(prepared, self.folder / name / "ours-memory", memory=True)
        found: dict[str, Any] = {"rows": prepared.rows, "ours_mib": measured.peak_pss_mib, "ours_seconds": measured.seconds}
        found["tasks_mib"] = {task["name"]: task["memory_mib"] for task in said["tasks"]}
        if self.peer and name != "10x":
            found["tfx_mib"] = self.theirs(prepared, self.folder / name / "tfx-memory", memory=True).peak_pss_mib
        shutil.rmtree(self.folder / name)
        return found


def _tell_speed(name: str, found: dict[str, Any]) -> None:
    middle = {key: statistics.median(values) for key, values in found["seconds"].items() if values}
    print(f"\n{name}: {sum(found['rows'].values())} rows {found['rows']}")
    for key, value in middle.items():
        print(f"  {key:<12} {value:8.1f} s   {found['seconds'][key]}")
    if "tfx cold" in middle:
        cold, cached = middle["ours cold"] / middle["tfx cold"], middle["ours cached"] / middle["tfx cold"]
        found["ratios"] = {"cold": round(cold, 3), "cached": round(cached, 3), "cached_to_cached": round(middle["ours cached"] / middle["tfx cached"], 3)}
        print(f"  cold    {cold:.3f} of TFX's cold run   (wanted at most {TARGETS.get(name, 0.4)})")
        print(f"  cached  {cached:.3f} of TFX's cold run   (wanted at most {CACHED_TARGET}), {found['ratios']['cached_to_cached']:.3f} of its cached run")
    print("  where our cold time goes:")
    outside = middle["ours cold"] - found["ours_run_seconds"]
    print(f"    {'start, pin, report':<24} {outside:6.1f} s   (the process less the run)")
    for task, seconds in found["tasks"].items():
        print(f"    {task:<24} {seconds:6.1f} s")


def _tell_memory(found: dict[str, dict[str, Any]]) -> None:
    for name, one in found.items():
        peer = f", TFX {one['tfx_mib']:.0f} MiB" if one.get("tfx_mib") else ""
        print(f"\nmemory, {name}: {sum(one['rows'].values())} rows: {one['ours_mib']:.0f} MiB PSS of the whole tree (wanted at most {PSS_TARGET_MIB}){peer}")
    if {"all", "10x"} <= found.keys():
        growth = found["10x"]["ours_mib"] / found["all"]["ours_mib"]
        print(f"memory at ten times the rows: {growth:.2f} of that at all of them (wanted at most {GROWTH_TARGET})")


def _machine() -> dict[str, Any]:
    packages = ("tfx", "tensorflow", "kfp", "apache-beam", "pyarrow")
    return {"cpus": len(os.sched_getaffinity(0)), "platform": platform.platform(), "load": os.getloadavg()[0]} | {name: version(name) for name in packages}


def main() -> None:
    """Measure what was asked for, print it and keep it as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--sizes", nargs="*", choices=["15k", "all"], default=["15k", "all"])
    parser.add_argument("--memory", nargs="*", choices=["15k", "all", "10x"], default=["all", "10x"])
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--no-peer", action="store_true", help="measure this project alone")
    parser.add_argument("--peer-beam", type=shlex.split, default=[], metavar="FLAGS", help="Beam flags of the peer, as one word with =")
    parser.add_argument("--folder", type=Path, help="work here; default: a temporary folder")
    asked = parser.parse_args()
    # The disk's cache is warm for both, or for none: the peer imports all that this project does.
    subprocess.run([sys.executable, "-c", "import kfp; from tfx import v1"], check=True, capture_output=True)
    with tempfile.TemporaryDirectory() as temporary:
        bench = Bench((asked.folder or Path(temporary)).absolute(), not asked.no_peer, asked.peer_beam)
        found: dict[str, Any] = {"when": datetime.now(UTC).isoformat(timespec="seconds"), "machine": _machine(), "speed": {}, "memory": {}}
        for name in asked.sizes:
            found["speed"][name] = bench.speed(name, asked.repeats)
            _tell_speed(name, found["speed"][name])
        for name in asked.memory:
            found["memory"][name] = bench.memory(name)
        _tell_memory(found["memory"])
    RESULTS.mkdir(exist_ok=True)
    target = RESULTS / f"{found['when'][:19].replace(':', '')}.json"
    target.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(f"\nThe peer has no InfraValidator (it needs Docker) and draws no plots; this project does both.\n{target}")


if __name__ == "__main__":
    main()
