"""What a finished run leaves for people and machines: its outcome, its report, its summary and its lineage."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import localrun
from core.backends.metadata import open_metadata
from core.decision import Decision
from core.durable import replace
from core.errors import MlopsError
from core.store import Store
from mlops.report.outcome import Outcome, Pushed, State, TaskOutcome
from mlops.report.render import write_report
from mlops.worlds.lineage import facts_of
from pipelines.compiled import wiring_digest


@dataclass(frozen=True)
class Submission:
    """What the runner does not know of a run: whose it is, the digest of the code that its steps ran, and where that was."""

    usecase: str
    code: str
    world: str = "laptop"
    release: Mapping[str, Any] = field(default_factory=dict)
    """The `push_model` section at that time: what a release of the run's model requires."""

    def write(self, folder: Path) -> None:
        """Keep it beside the run, so that a resume knows it too."""
        _write_json(folder / "submission.json", asdict(self))

    @classmethod
    def read(cls, folder: Path) -> "Submission":
        """Read it back; MlopsError when there is no such run."""
        try:
            return cls(**json.loads((folder / "submission.json").read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise MlopsError(f"no run {folder.name!r} in {folder.parent}; see: mlops runs list") from None


def finish(run: localrun.Run, submission: Submission, store: Store) -> tuple[Outcome, Path]:
    """Record a run that has come to its end, however it ended; return what came out and where the report is."""
    outcome = outcome_of(run, submission)
    report = write_report(outcome, run.folder / "report.html")
    compiled = wiring_digest(run.folder / "pipeline.yaml")
    _write_json(run.folder / "summary.json", outcome.as_json(report) | {"code": submission.code, "compiled": compiled})
    open_metadata(store.metadata).record(facts_of(run, submission.code))
    return outcome, report


def _write_json(target: Path, value: dict[str, Any]) -> None:
    replace(target, (json.dumps(value, indent=2) + "\n").encode())


def outcome_of(run: localrun.Run, submission: Submission) -> Outcome:
    """Translate what the runner saw into the product's words."""
    return Outcome(
        run_id=run.run_id,
        usecase=submission.usecase,
        pipeline=run.pipeline,
        state=_state(run),
        started=run.started.strftime("%Y-%m-%d %H:%M:%S UTC"),
        seconds=run.seconds,
        parameters=dict(run.parameters),
        tasks=tuple(_task(task, run) for task in run.tasks),
        pushed=_pushed(run),
        world=submission.world,
    )


def _state(run: localrun.Run) -> State:
    states: dict[str, State] = {
        "SUCCEEDED": "SUCCEEDED",
        "CANCELLED": "CANCELLED",
        "RUNNING": "RUNNING",
        "INTERRUPTED": "RUNNING",
    }
    return states.get(run.state, "FAILED")


def _task(task: localrun.TaskRun, run: localrun.Run) -> TaskOutcome:
    started = (task.started - run.started).total_seconds() if task.started and not task.cached else 0.0
    return TaskOutcome(
        name=task.name,
        state=task.state,
        cached=task.cached,
        seconds=0.0 if task.cached else task.seconds,
        offset=max(started, 0.0),
        memory_mib=None if task.cached or not task.max_rss_bytes else task.max_rss_bytes / 2**20,
        error=task.error,
        log=task.log,
        decision=_decision(task),
        pictures=_output(task, "pictures"),
    )


def _output(task: localrun.TaskRun, name: str) -> Path | None:
    """Return where an output lies; of a failed task, where its last attempt left it."""
    artifact = task.outputs.artifacts.get(name)
    path = artifact.path if artifact else (task.failed_outputs / name if task.failed_outputs else None)
    return path if path is not None and path.is_file() else None


def _decision(task: localrun.TaskRun) -> Decision | None:
    path = _output(task, "decision")
    return Decision.read(path) if path else None


def _pushed(run: localrun.Run) -> Pushed | None:
    for task in run.tasks:
        path = _output(task, "pushed") if task.state == "SUCCEEDED" else None
        if path:
            content: dict[str, Any] | None = json.loads(path.read_text(encoding="utf-8"))
            if content is not None:
                return Pushed(content["name"], int(content["version"]), content["path"], content["digest"])
    return None


def summaries(store: Store) -> list[dict[str, Any]]:
    """Return the summaries of all finished runs, the newest first."""
    files = sorted(store.runs.glob("*/summary.json"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    return [json.loads(path.read_text(encoding="utf-8")) for path in files]


def find_summary(store: Store, run_id: str) -> dict[str, Any]:
    """Return the summary of one run; MlopsError lists the newest runs when there is no such run."""
    path = store.runs / run_id / "summary.json"
    if not path.is_file():
        known = ", ".join(summary["run_id"] for summary in summaries(store)[:5]) or "none yet"
        raise MlopsError(f"no finished run {run_id!r} in {store.runs}; the newest: {known}")
    summary = json.loads(path.read_text(encoding="utf-8"))
    assert isinstance(summary, dict)
    return summary
