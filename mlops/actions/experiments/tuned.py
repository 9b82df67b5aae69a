"""What a tuning found, and its trials while it runs."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self

from artifacts.tuning.tuning import TUNING, Tuning
from core import durable, objects
from core.errors import MlopsError
from core.store import Store
from mlops.runs.events import Event, Noted, TaskChanged
from mlops.runs.history import read_run
from mlops.runs.record import State

STAGE = "tune_model"
_STAGES = (STAGE, "train_trial")
"""Those whose logs have lines for trials."""
_LINE = "trial "
"""Beginning of the lines in the stage's log that are shown."""
_PAUSE = 0.5
"""Seconds between two looks into the log."""


class TrialLines:
    """A watcher that also shows each trial as it ends, from the log of the running stage."""

    def __init__(self, watcher: Callable[[Event], None]) -> None:
        self._watcher = watcher
        self._lock = threading.Lock()
        self._shown: dict[Path, int] = {}
        """Log -> lines of it that were shown."""
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def __call__(self, event: Event) -> None:
        """Take an event of the run."""
        if isinstance(event, TaskChanged) and event.task.stage in _STAGES and event.task.log is not None:
            if event.task.state is State.RUNNING:
                self._shown.setdefault(event.task.log, 0)
            else:
                self._show_new()
        with self._lock:
            self._watcher(event)

    def _follow(self) -> None:
        while not self._stopped.wait(_PAUSE):
            self._show_new()

    def _show_new(self) -> None:
        for log in tuple(self._shown):
            if not log.is_file():
                continue
            with self._lock:
                lines = log.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
                trials = [line.strip() for line in lines if line.startswith(_LINE) and line.endswith("\n")]
                for line in trials[self._shown[log] :]:
                    self._watcher(Noted(line))
                self._shown[log] = max(self._shown[log], len(trials))


def find_tuning(store: Store, run_id: str) -> Tuning:
    """Return what a run found; MlopsError for a run without it."""
    artifact = read_run(store, run_id).artifact(STAGE, "tuning")
    if artifact is None:
        raise MlopsError(f"run {run_id} tuned nothing: wanted a run with the stage {STAGE} that reached its end")
    if not objects.is_address(artifact.uri):
        return Tuning.read(artifact.path)
    folder = store.runs / run_id / "tuning"
    folder.mkdir(exist_ok=True)
    durable.replace(folder / TUNING, objects.read(f"{artifact.uri}/{TUNING}"))
    return Tuning.read(folder)
