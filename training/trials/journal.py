"""Keeps finished trials, on this machine or in an object store, so that a tuning that was killed repeats none."""

import io
import json
from dataclasses import asdict

import numpy as np

from core.object_stores import locations
from core.object_stores.locations import Location
from training.trials.trial import Outcome, Scores, Trial


class Journal:
    """A folder with a file for each finished trial, which is written atomically, so that one that is there is intact.

    Where a trial keeps its scores, they lie beside it, and were written first.
    """

    def __init__(self, folder: Location, context: str) -> None:
        self._folder = folder
        self._context = context

    def find(self, trial: Trial) -> Outcome | None:
        """Return the outcome of a trial that has been run."""
        try:
            content = json.loads(locations.read(self._place(trial, "json")))
            scores = self._scores(trial) if trial.keeps_scores and content["skill"] is not None else None
        except FileNotFoundError:
            return None
        return Outcome(**content, scores=scores)

    def add(self, trial: Trial, outcome: Outcome) -> None:
        """Keep the outcome of a trial."""
        if outcome.scores is not None:
            array = io.BytesIO()
            np.save(array, outcome.scores, allow_pickle=False)
            locations.write(self._place(trial, "npy"), array.getvalue())
        content = {name: value for name, value in asdict(outcome).items() if name != "scores"}
        locations.write(self._place(trial, "json"), json.dumps(content).encode())

    def remove(self) -> None:
        """Forget all trials, when the tuning has ended."""
        locations.remove(self._folder)

    def _scores(self, trial: Trial) -> Scores:
        scores: Scores = np.load(io.BytesIO(locations.read(self._place(trial, "npy"))), allow_pickle=False)
        return scores

    def _place(self, trial: Trial, kind: str) -> Location:
        return locations.join(self._folder, f"{trial.key(self._context)}.{kind}")
