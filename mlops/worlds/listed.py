"""Lists the runs of a store: those that have ended by their summaries, the others by what is known of them here."""

from dataclasses import asdict, dataclass

import localrun
from core.store import Store
from mlops.runs.history import submitted, summaries
from mlops.runs.record import State


@dataclass(frozen=True)
class ListedRun:
    """One line of the list of runs."""

    run_id: str
    world: str
    state: str
    started: str
    """To the minute, UTC."""
    headline: str = ""


def runs_of(store: Store) -> list[dict[str, str]]:
    """Return the runs of a store, the newest first."""
    ended = {summary["run_id"]: summary for summary in summaries(store)}
    here = {run.run_id: run for run in localrun.runs(store.root)}
    found = []
    for run_id, submission in submitted(store).items():
        summary = ended.get(run_id, {})
        state, started, headline = (
            summary.get("state", ""),
            summary.get("started", "")[:16],
            summary.get("headline", ""),
        )
        if run_id in here:
            run = here[run_id]
            started = f"{run.started:%Y-%m-%d %H:%M}"
            state, headline = run.state.value, headline if run.state.value == state else ""
        found.append(ListedRun(run_id, submission.world, state or State.PENDING.value, started, headline))
    return [asdict(run) for run in sorted(found, key=lambda run: run.started, reverse=True)]
