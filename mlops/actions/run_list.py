"""Lists the runs of a store, also those that have not ended."""

from collections.abc import Collection
from datetime import UTC, datetime

from core.backends.registry import open_registry
from core.errors import MlopsError
from core.store import Store
from mlops.actions.run_quality import NEWEST
from mlops.actions.verification.checks import pushed_by
from mlops.report.outcome import started
from mlops.runs.history import SUBMISSION, read_summary, submitted, summaries
from mlops.worlds.table import DEFAULT, open_world
from mlops.worlds.world import WorldContext

UNSEEN = "SUBMITTED"
"""State of a run on a cluster whose end is not recorded here; `mlops runs follow` asks the cluster."""


def listed(store: Store, only: Collection[str] | None = None) -> list[dict[str, str]]:
    """Return run id, world, state, start (UTC, to the minute) and headline of each run, the newest first.

    `only` has the ids of the runs to list; without it, all are. No cluster is asked: a run there that has no recorded
    end is `SUBMITTED`.
    """
    rows = []
    with open_world(DEFAULT, WorldContext(store)) as here:
        for run_id, submission in submitted(store).items():
            if only is not None and run_id not in only:
                continue
            written = (store.runs / run_id / SUBMISSION).stat().st_mtime_ns
            summary = read_summary(store, run_id)
            if summary is not None:
                state, began = summary["state"], summary["started"]
            elif submission.world == here.name:
                run = here.result(run_id)
                state, began = run.state.value, started(run)
            else:
                state, began = UNSEEN, f"{datetime.fromtimestamp(written / 1e9, UTC):%Y-%m-%d %H:%M:%S UTC}"
            headline = summary["headline"] if summary is not None else ""
            row = {"run_id": run_id, "world": submission.world, "state": state, "started": began[:16]}
            rows.append(((began, written), row | {"headline": headline}))
    return [row for _, row in sorted(rows, key=lambda timed: timed[0], reverse=True)]


def find_run(store: Store, wanted: str) -> str:
    """Return the id of a run that is named by its id, as `newest`, or by a model that it pushed.

    `flight_delay@2` is a version, `flight_delay` the one in production. What names nothing is returned as it is.
    MlopsError where a model has no such version, or the store has no record of the run that pushed it.
    """
    if wanted == NEWEST and (ended := summaries(store)):
        return str(ended[0]["run_id"])
    name, _, number = wanted.partition("@")
    registry = open_registry(store.registry)
    if (store.runs / wanted).is_dir() or name not in registry.names() or not (number.isdecimal() or not number):
        return wanted
    version = registry.get(name, int(number)) if number else registry.champion(name)
    if version is None:
        raise MlopsError(f"no version of {name} is in production; name one, as in: mlops runs show {name}@1")
    run_id = pushed_by(store, version)
    if run_id is None:
        raise MlopsError(f"{store.runs} has no record of the run that pushed version {version.version} of {name}")
    return run_id
