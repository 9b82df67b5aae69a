"""The runs of a store: a folder each, with the submission and, after the end, the record and the summary."""

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from core import durable
from core.errors import CorruptArtifact, MlopsError, did_you_mean
from core.store import Store
from mlops.runs.record import Artifact, Run, Task
from mlops.runs.submission import Submission

SUBMISSION = "submission.json"
RECORD = "record.json"
SUMMARY = "summary.json"
_RUN = TypeAdapter(Run)
_SUBMISSION = TypeAdapter(Submission)


def write_submission(folder: Path, submission: Submission) -> None:
    """Keep a submission in its run's folder."""
    _write_json(folder / SUBMISSION, asdict(submission))


def read_submission(store: Store, run_id: str) -> Submission:
    """Return the submission of a run; MlopsError, with the nearest run id, when there is no such run."""
    path = store.runs / run_id / SUBMISSION
    if not path.is_file():
        known = [folder.parent.name for folder in store.runs.glob(f"*/{SUBMISSION}")]
        near = did_you_mean(run_id, known) if len(known) < 100 else ""
        raise MlopsError(f"no run {run_id!r} in {store.runs}{near}; see: mlops runs list")
    return _SUBMISSION.validate_json(path.read_bytes())


def submitted(store: Store) -> dict[str, Submission]:
    """Return the submissions of all runs by run id, also of those that have not started or ended."""
    return {
        path.parent.name: _SUBMISSION.validate_json(path.read_bytes()) for path in store.runs.glob(f"*/{SUBMISSION}")
    }


def triggered(store: Store, key: str) -> str:
    """Return the run that a decision asked for; empty: there is none."""
    if not key:
        return ""
    return next((run_id for run_id, submission in submitted(store).items() if submission.trigger == key), "")


def write_run(run: Run, summary: dict[str, Any]) -> None:
    """Keep the record of a run that has ended, and its summary for people and machines."""
    durable.replace(run.folder / RECORD, _RUN.dump_json(run, indent=2) + b"\n")
    _write_json(run.folder / SUMMARY, summary)


def forget_end(folder: Path) -> None:
    """Remove the record and the summary of a run that is resumed."""
    for name in (SUMMARY, RECORD):
        (folder / name).unlink(missing_ok=True)


def read_run(store: Store, run_id: str) -> Run:
    """Return the record of a run that has ended; its paths are right also after the store was moved.

    Raises MlopsError for a run that is not known or has not ended, CorruptArtifact for a record that cannot be read.
    """
    path = store.runs / run_id / RECORD
    if not path.is_file():
        read_submission(store, run_id)
        raise _not_ended(run_id)
    try:
        run = _RUN.validate_json(path.read_bytes())
    except ValidationError as error:
        raise CorruptArtifact(f"{path}: wanted the record of a run, got {error}") from None
    return run if run.folder == path.parent else _moved(run, store.root)


def summaries(store: Store) -> list[dict[str, Any]]:
    """Return the summaries of all runs that have ended, the newest first."""
    files = sorted(store.runs.glob(f"*/{SUMMARY}"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    return [json.loads(path.read_text(encoding="utf-8")) for path in files]


def find_summary(store: Store, run_id: str) -> dict[str, Any]:
    """Return the summary of one run; MlopsError lists the newest runs when there is no such run."""
    summary = read_summary(store, run_id)
    if summary is None and (store.runs / run_id / SUBMISSION).is_file():
        raise _not_ended(run_id)
    if summary is None:
        known = ", ".join(summary["run_id"] for summary in summaries(store)[:5]) or "none yet"
        raise MlopsError(f"no run {run_id!r} that has ended in {store.runs}; the newest are: {known}")
    return summary


def read_summary(store: Store, run_id: str) -> dict[str, Any] | None:
    """Return the summary of one run; None while it has not ended."""
    path = store.runs / run_id / SUMMARY
    if not path.is_file():
        return None
    summary = json.loads(path.read_text(encoding="utf-8"))
    assert isinstance(summary, dict)
    return summary


def _not_ended(run_id: str) -> MlopsError:
    return MlopsError(f"run {run_id} has no record of its end yet; get it with: mlops runs follow {run_id}")


def _write_json(target: Path, value: dict[str, Any]) -> None:
    durable.replace(target, (json.dumps(value, indent=2) + "\n").encode())


def _moved(run: Run, root: Path) -> Run:
    """Replace the store's folder at the time of the record by its present one, in all paths of a run."""
    before = run.folder.parent.parent

    def path(old: Path | None) -> Path | None:
        return root / old.relative_to(before) if old is not None and old.is_relative_to(before) else old

    def artifact(old: Artifact) -> Artifact:
        return old if "://" in old.uri else replace(old, uri=str(path(old.path)))

    def tasks() -> Iterator[Task]:
        for task in run.tasks:
            yield replace(
                task,
                log=path(task.log),
                failed_outputs=path(task.failed_outputs),
                inputs={name: artifact(one) for name, one in task.inputs.items()},
                outputs={name: artifact(one) for name, one in task.outputs.items()},
            )

    return replace(run, folder=root / run.folder.relative_to(before), tasks=tuple(tasks()))
