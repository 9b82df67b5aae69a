"""Keeps what is needed of a run that has ended: its report, record, summary and lineage."""

import importlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from core.backends.metadata import open_metadata
from core.store import Store
from mlops.report.outcome import Outcome, outcome_of
from mlops.runs.history import write_run
from mlops.runs.lineage import facts_of
from mlops.runs.record import Run
from mlops.worlds.world import RunRequest, Watcher, World
from pipelines.compiled import wiring_digest

_AT_THE_END = ("mlops.report.render", "ml_metadata.metadata_store.metadata_store")
"""Modules that are needed when a run has ended; both import others for a while."""


def follow_to_end(world: World, run_id: str, watcher: Watcher, deadline: float | None = None) -> tuple[Outcome, Path]:
    """Follow a run to its end and keep it; return its outcome and the path of its report.

    Raises MlopsError when the deadline, in seconds, passes first.
    """
    with _imported_meanwhile():
        run = world.follow(run_id, watcher, deadline)
    return finish(run, world.store)


def run_to_end(world: World, request: RunRequest, watcher: Watcher = lambda _: None) -> tuple[Outcome, Path]:
    """Submit a run, follow it to its end and keep it; return its outcome and the path of its report."""
    return follow_to_end(world, world.submit(request).run_id, watcher)


def finish(run: Run, store: Store) -> tuple[Outcome, Path]:
    """Keep a run that has ended, succeeded or not; return its outcome and the path of its report."""
    from mlops.report.render import write_report  # noqa: PLC0415 - imported while the run goes on

    outcome = outcome_of(run)
    report = write_report(outcome, run.folder / "report.html")
    compiled = wiring_digest(run.folder / "pipeline.yaml")
    write_run(run, outcome.as_json(report) | {"code": run.submission.code, "compiled": compiled})
    open_metadata(store.metadata).record(facts_of(run))
    return outcome, report


@contextmanager
def _imported_meanwhile() -> Iterator[None]:
    """Import what the end of a run needs while its tasks compute elsewhere; what fails there fails again at the end."""

    def load() -> None:
        with suppress(Exception):
            for name in _AT_THE_END:
                importlib.import_module(name)

    thread = threading.Thread(target=load, name="imports", daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join()  # a program that ends while a thread imports may crash
