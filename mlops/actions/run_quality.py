"""Finds two runs, in this store or another, and compares the quality of their models."""

from pathlib import Path

from core.errors import MlopsError, UsageError
from core.store import Store
from mlops.report import quality
from mlops.runs.history import RECORD, read_run
from mlops.runs.record import Run
from pipelines.kinds import Kind

NEWEST = "newest"


def compare(store: Store, before: str, after: str) -> quality.Comparison:
    """Compare two runs that have ended.

    Each is a run id, `newest`, or a path to another store's folder: the newest run there, of the same pipeline where
    that is known. MlopsError when there is no such run, UsageError when `newest` stands on both sides.
    """
    if before == after == NEWEST:
        raise UsageError("wanted two runs, got `newest` twice; name one by its id: mlops runs list")
    if _is_id(before):
        first = read_run(store, before)
        second = _find(store, after, first.pipeline, unlike=before)
    else:
        second = _find(store, after)
        first = _find(store, before, second.pipeline, unlike=after)
    return quality.compare(quality.quality_of(first), quality.quality_of(second))


def _find(store: Store, wanted: str, pipeline: str = "", unlike: str = "") -> Run:
    if _is_id(wanted):
        return read_run(store, wanted)
    searched = store if wanted == NEWEST else Store(Path(wanted).expanduser().absolute())
    records = sorted(searched.runs.glob(f"*/{RECORD}"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for record in records:
        run = read_run(searched, record.parent.name)
        if run.run_id != unlike and pipeline in ("", run.pipeline) and run.submission.kind is Kind.TRAINING:
            return run
    what = f"a run of {pipeline}" if pipeline else "a run of a training pipeline"
    what += f" other than {unlike}" if unlike and _is_id(unlike) else ""
    raise MlopsError(f"{searched.runs}: wanted {what} that has ended, found none; start one with `mlops run`")


def _is_id(wanted: str) -> bool:
    return wanted != NEWEST and "/" not in wanted
