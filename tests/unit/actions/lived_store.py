"""A store in which a use case has lived for a while: runs of each kind, two versions, facts and a dead letter."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from core.decision import Bound, Check, Decision, compare
from core.store import Store
from mlops.runs.history import write_run, write_submission
from mlops.runs.record import Artifact, Run, State, Task
from mlops.runs.submission import Submission
from pipelines.kinds import Kind

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OPEN = Decision.of("monitor_model", (compare("auc", 0.71, Bound(at_least=0.62)),))
CLOSED = Decision.of(
    "monitor_model", (compare("auc", 0.55, Bound(at_least=0.62), next_step="Train again: mlops run flight_delay"),)
)
FEEDBACK = {
    "points": [
        {
            "version": version, "role": role, "window": {"start": f"2026-0{month}-01T00:00:00Z",
            "end": f"2026-0{month}-{day:02}T00:00:00Z", "rows": 100},
            "metrics": {"auc": {"value": value, "low": value and value - 0.03, "high": value and value + 0.03}},
        }
        for version, role, month, day, value in (
            (1, "champion", 1, 8, 0.71), (1, "champion", 1, 15, 0.7), (1, "champion", 1, 22, None),
            (1, "champion", 1, 29, 0.63), (2, "champion", 2, 5, 0.7), (2, "champion", 2, 12, 0.72),
            (3, "canary", 2, 12, 0.74), (4, "shadow", 2, 12, 0.5),
        )
    ],
    "deployments": [[1, "2026-01-02T00:00:00Z"], [2, "2026-02-01T00:00:00Z"]],
}  # fmt: skip


def add_run(store: Store, number: int, kind: Kind, decision: Decision, **facts: Any) -> Run:
    """Keep a run that ended on a day of February, unless told when it started."""
    started = facts.pop("started", NOW - timedelta(days=28 - number))
    run_id = f"flight-delay-{kind.value}-{number}"
    folder = store.runs / run_id
    folder.mkdir(parents=True)
    submission = Submission("flight_delay", "sha256:code", kind=kind, pipeline="level1")
    write_submission(folder, submission)
    os.utime(folder / "submission.json", (started.timestamp(), started.timestamp()))
    tasks = (_monitor_task(folder),) if kind is Kind.MONITORING else ()
    state = facts.pop("state", State.SUCCEEDED)
    run = Run(run_id, "flight-delay-level1", submission, state, {}, started, 3.0, folder, tasks=tasks)
    summary = {
        "run_id": run_id, "usecase": "flight_delay", "kind": kind.value, "world": "laptop", "state": state.value,
        "started": started.strftime("%Y-%m-%d %H:%M:%S UTC"), "headline": f"{kind.value} {number} ended.",
        "next_step": "Look at it.", "decisions": [decision.model_dump(mode="json")], "pushed_model": None, **facts,
    }  # fmt: skip
    write_run(run, summary)
    return run


def _monitor_task(folder: Path) -> Task:
    (folder / "feedback").mkdir()
    (folder / "feedback" / "feedback.json").write_text(json.dumps(FEEDBACK))
    (folder / "pictures").write_text(
        '<section class="card"><h2>Drift of dep_delay</h2><p>now beside training</p></section>'
    )
    outputs = {name: Artifact("system.Artifact", str(folder / name)) for name in ("feedback", "pictures")}
    return Task("monitor-model", "monitor_model", State.SUCCEEDED, outputs=outputs)


def skewed(rule: str) -> Check:
    """A check that failed."""
    return compare(rule, 0.9, Bound(at_most=0.1), next_step="Look at the feature.")
