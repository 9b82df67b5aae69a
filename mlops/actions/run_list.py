"""Lists the runs of a store, also those that have not ended."""

from collections.abc import Collection
from datetime import UTC, datetime

from core.store import Store
from mlops.runs.history import SUBMISSION, read_summary, submitted
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
            summary = read_summary(store, run_id)
            if summary is not None:
                state, started = summary["state"], summary["started"][:16]
            elif submission.world == here.name:
                run = here.result(run_id)
                state, started = run.state.value, f"{run.started:%Y-%m-%d %H:%M}"
            else:
                written = (store.runs / run_id / SUBMISSION).stat().st_mtime
                state, started = UNSEEN, f"{datetime.fromtimestamp(written, UTC):%Y-%m-%d %H:%M}"
            headline = summary["headline"] if summary is not None else ""
            row = {"run_id": run_id, "world": submission.world, "state": state, "started": started}
            rows.append(row | {"headline": headline})
    return sorted(rows, key=lambda row: row["started"], reverse=True)
