"""What a run computes in workers that have served another run is what it computes in workers of its own."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

USECASE = "flight_delay"
UNEQUAL = {"saved_model.pb", "fingerprint.pb"}
"""TensorFlow writes another order of the same functions in every process."""
OF_THE_RUN = {
    "collect-evidence/evidence/.",
    "evaluate-model/decision/.",
    "evaluate-model/evaluation/metrics.json",
    "push-model/decision/.",
    "push-model/pushed/.",
    "validate-infra/decision/.",
}
"""They name the run, the digest of a whole model, or how long something took."""


def run(store: Path, span: int, warm: str) -> dict[str, Any]:
    """Run the pipeline as a user does; its gates may be closed."""
    environment = {**os.environ, "MLOPS_HOME": str(store), "MLOPS_WARM": warm}
    command = [sys.executable, "-m", "mlops.cli.main", "run", USECASE, "--span", str(span), "--json"]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=1800)
    assert ran.returncode in {0, 3}, ran.stderr[-3000:]
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def contents(store: Path, run_id: str) -> dict[str, str]:
    """Return the digest of every file that the tasks of a run made."""
    record = json.loads((store / "runs" / run_id / "run.json").read_text())
    found = {}
    for task in record["tasks"]:
        for name, artifact in task["outputs"]["artifacts"].items():
            root = store / artifact["uri"].removeprefix("store:")
            for path in [root, *root.rglob("*")]:
                place = f"{task['name']}/{name}/{path.relative_to(root)}"
                if path.is_file() and path.name not in UNEQUAL and place not in OF_THE_RUN:
                    content = path.read_bytes().replace(str(store).encode(), b"")
                    found[place] = hashlib.sha256(content).hexdigest()
    return found


@pytest.mark.timeout(3600)
@pytest.mark.nightly("four runs of the pipeline from the command line, two of them with imports of their own")
def test_a_used_worker_computes_the_same_bytes_as_a_new_one(tmp_path: Path, months: dict[int, Any]) -> None:
    made = {}
    for warm in ("on", "off"):
        store = tmp_path / warm
        for span, month in months.items():
            target = store / "data" / USECASE / f"span-{span}" / "flights.parquet"
            target.parent.mkdir(parents=True)
            month.to_parquet(target, index=False)
        try:
            made[warm] = [contents(store, run(store, span, warm)["run_id"]) for span in (4, 5)]
        finally:
            stop = [sys.executable, "-m", "mlops.cli.main", "workers", "stop", "--json"]
            stopped = subprocess.run(
                stop, env={**os.environ, "MLOPS_HOME": str(store)}, capture_output=True, check=True
            ).stdout
        assert len(json.loads(stopped)["stopped"]) == (2 if warm == "on" else 0)
    assert len(made["on"][1]) > 20
    for used, new in zip(made["on"], made["off"], strict=True):
        assert {place for place in used | new if used.get(place) != new.get(place)} == set()
