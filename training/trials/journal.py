"""Keeps finished trials, so that a tuning that was killed repeats none."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from core import durable
from training.trials.trial import Outcome, Trial


class Journal:
    """A folder with a file for each finished trial; a file that is there is intact, because it was renamed to its name.

    With `scores`, a trial's scores lie beside it, and were written first.
    """

    def __init__(self, folder: Path, context: str) -> None:
        self._folder = folder
        self._context = context
        folder.mkdir(parents=True, exist_ok=True)

    def find(self, trial: Trial) -> Outcome | None:
        """Return the outcome of a trial that has been run."""
        path = self._path(trial)
        if not path.is_file():
            return None
        content = json.loads(path.read_bytes())
        scores = path.with_suffix(".npy")
        return Outcome(**content, scores=np.load(scores) if trial.keeps_scores and scores.is_file() else None)

    def add(self, trial: Trial, outcome: Outcome) -> None:
        """Keep the outcome of a trial, atomically."""
        path = self._path(trial)
        if outcome.scores is not None:
            staged = path.with_name(f"{durable.STAGING}{path.stem}.npy")
            np.save(staged, outcome.scores)
            durable.sync(staged)
            staged.replace(path.with_suffix(".npy"))
        content = {name: value for name, value in asdict(outcome).items() if name != "scores"}
        durable.replace(path, json.dumps(content).encode())

    def _path(self, trial: Trial) -> Path:
        return self._folder / f"{trial.key(self._context)}.json"
