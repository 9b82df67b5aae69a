"""The measurements: both programs in turns for speed, and runs of their own for memory."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import measure
from benchmarks.prepare import Prepared
from benchmarks.programs import Ran, ours, theirs

Program = Callable[[Prepared, Path], Ran]


@dataclass(frozen=True)
class Bench:
    """Where a benchmark works, whether the peer takes part, and where progress is logged."""

    folder: Path
    peer: bool
    log: Callable[[str], None]

    def prepare(self, size: str) -> Prepared:
        """Write the rows of a size, in a process of its own."""
        self.log(f"{size}: writing the rows")
        folder = self.folder / size
        command = [sys.executable, "-m", "benchmarks.prepare", size, str(folder)]
        measure.run(command, measure.Where({"PYTHONWARNINGS": "ignore"}, self.folder / "logs" / f"prepare-{size}.log"))
        return Prepared.read(folder)

    def warm(self) -> None:
        """Import what both programs import, so that neither pays for reading the disk or compiling bytecode."""
        self.log("importing both programs once, uncounted")
        imports = "import kfp, pydantic, rich, uvicorn, matplotlib.figure; from tfx import v1"
        measure.run(
            [sys.executable, "-c", imports],
            measure.Where({"PYTHONWARNINGS": "ignore"}, self.folder / "logs" / "warm.log"),
        )

    def speed(self, size: str, runs: int) -> dict[str, Any]:
        """Measure cold and cached runs of both programs in turns; a cached run uses the cold one's store."""
        prepared = self.prepare(size)
        programs: dict[str, Program] = {"ours": ours, "peer": theirs} if self.peer else {"ours": ours}
        found: dict[str, Any] = {"rows": prepared.rows, "seconds": {}, "cpu_seconds": {}, "steps": {}}
        for number in range(runs):
            # Whoever goes first finds the machine in another state than who goes second, so they swap.
            order = list(programs) if number % 2 == 0 else list(reversed(programs))
            for name in order:
                self._cold_and_cached(found, name, programs[name], prepared, number)
        shutil.rmtree(self.folder / size)
        return found

    def _cold_and_cached(
        self, found: dict[str, Any], name: str, program: Program, prepared: Prepared, number: int
    ) -> None:
        store = Path(prepared.usecase).parent / f"{name}-{number}"
        for what in ("cold", "cached"):
            ran = program(prepared, store)
            key = f"{name} {what}"
            self.log(
                f"  run {number + 1}: {key:<12} {ran.measured.seconds:7.2f} s wall, "
                f"{ran.measured.cpu_seconds:7.2f} s CPU"
            )
            found["seconds"].setdefault(key, []).append(ran.measured.seconds)
            found["cpu_seconds"].setdefault(key, []).append(ran.measured.cpu_seconds)
            found["steps"].setdefault(key, []).append(ran.steps)
            if what == "cached" and (again := ran.details.get("computed_again")):
                raise RuntimeError(f"a rerun on the same store computed again: {', '.join(again)}")
        shutil.rmtree(store)

    def memory(self, size: str) -> dict[str, Any]:
        """Measure the peak memory of the process tree in runs of its own; the peer only where it has settings."""
        prepared = self.prepare(size)
        mine = ours(prepared, self.folder / size / "ours", memory=True)
        found: dict[str, Any] = {
            "rows": prepared.rows,
            "peak_mib": {"ours": mine.measured.peak_pss_mib},
            "seconds": {"ours": mine.measured.seconds},
        }
        found["task_mib"] = mine.details["task_memory_mib"]
        self.log(f"  ours {mine.measured.peak_pss_mib:7.0f} MiB PSS")
        if self.peer and prepared.settings:
            peer = theirs(prepared, self.folder / size / "peer-store", memory=True)
            found["peak_mib"]["peer"], found["seconds"]["peer"] = peer.measured.peak_pss_mib, peer.measured.seconds
            self.log(f"  peer {peer.measured.peak_pss_mib:7.0f} MiB PSS")
        shutil.rmtree(self.folder / size)
        return found


def revision() -> str:
    """Name the sources that are measured; empty outside a repository."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent,
    )
    return done.stdout.strip()
