"""The two programs that are measured, each as a user starts it, and each one's own account of where its time went."""

import json
import sqlite3
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import measure
from benchmarks.prepare import Prepared

METADATA = "metadata.sqlite"


@dataclass(frozen=True)
class Ran:
    """One run of a program; times in seconds."""

    measured: measure.Measured
    steps: dict[str, float]
    """By task or component; what is not in them is imports, starting and ending."""
    details: dict[str, Any]


def ours(prepared: Prepared, store: Path, *, memory: bool = False) -> Ran:
    """Run `mlops run` on a store, with workers of its own.

    RuntimeError when nothing was pushed, because then steps were left out.
    """
    command = [sys.executable, "-m", "mlops.cli.main", "run", prepared.usecase, "--span", str(prepared.span), "--json"]
    measured = measure.run(command, _where(store, MLOPS_HOME=str(store), MLOPS_WARM="off"), sample_memory=memory)
    result: dict[str, Any] = json.loads(measured.output)
    if not result["pushed_model"]:
        raise RuntimeError(f"the benchmark's gates let every model pass, but nothing was pushed: {result['headline']}")
    tasks = result["tasks"]
    steps = {_stage(task): float(task["seconds"]) for task in tasks}
    details = {
        "computed_again": [_stage(task) for task in tasks if not task["cached"] and task["state"] != "SKIPPED"],
        "task_memory_mib": {_stage(task): task["memory_mib"] for task in tasks},
    }
    return Ran(measured, steps, details)


def theirs(prepared: Prepared, store: Path, *, memory: bool = False) -> Ran:
    """Run the peer on a store; RuntimeError when nothing was pushed, because then it did less."""
    command = [sys.executable, "-m", "benchmarks.peer", prepared.settings, str(store)]
    measured = measure.run(command, _where(store, PYTHONWARNINGS="ignore"), sample_memory=memory)
    if not json.loads(measured.output.splitlines()[-1])["pushed"]:
        raise RuntimeError(f"the peer pushed nothing; its log is {store.with_suffix('.log')}")
    return Ran(measured, _components(store / METADATA), {})


def _stage(task: dict[str, Any]) -> str:
    """Name a task as the folder of its code; the compiler writes hyphens."""
    return str(task["name"]).replace("-", "_")


def _where(store: Path, **environment: str) -> measure.Where:
    """Point a program's temporary folder into the measurement's, which is removed at its end."""
    temporary = store.with_suffix(".tmp")
    temporary.mkdir(parents=True, exist_ok=True)
    return measure.Where(environment | {"TMPDIR": str(temporary)}, store.with_suffix(".log"))


def _components(metadata: Path) -> dict[str, float]:
    """Read from ML Metadata how long each of the peer's components took; of several runs, the newest."""
    query = (
        "SELECT Type.name, (last_update_time_since_epoch - create_time_since_epoch) / 1000.0"
        " FROM Execution JOIN Type ON Type.id = Execution.type_id ORDER BY create_time_since_epoch"
    )
    connection = sqlite3.connect(f"file:{metadata}?mode=ro", uri=True)
    try:
        return {name.rpartition(".")[2]: round(seconds, 2) for name, seconds in connection.execute(query)}
    finally:
        connection.close()
