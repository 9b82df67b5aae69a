"""Searches the hyperparameters of the use case, as `mlops tune` does."""

import os
from typing import Any

from core.errors import MlopsError
from mlops.actions.scoring.measuring.bench import Bench
from mlops.runs.record import State
from mlops.worlds.finished import run_to_end
from mlops.worlds.table import open_world
from mlops.worlds.world import RunRequest, WorldContext


def measure(bench: Bench) -> dict[str, Any]:
    """Run the search in the store; the run's record has what it found."""
    usecase, run = bench.subject.usecase, bench.subject.run
    if not usecase.has("tune_model"):
        raise MlopsError("no section tune_model: write it (docs/tuning.md)")
    span = run.parameters.get("span") if run is not None else None
    with open_world("laptop", WorldContext(bench.subject.store, os.environ, keeps_workers=True)) as world:
        outcome, report = run_to_end(world, RunRequest(usecase, "tuning", span))
    if outcome.state is not State.SUCCEEDED:
        raise MlopsError(f"the search did not end: {outcome.headline}")
    return {"run": outcome.run.run_id, "report": str(report)}
