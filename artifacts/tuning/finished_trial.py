"""The file that a trial leaves that ran as a task of its own: read by the tuning that it belongs to."""

from typing import Any, Literal

from artifacts.facts import Facts, FactsFile


class FinishedTrial(Facts, FactsFile):
    """One trial, and how it went."""

    FILE = "trial.json"
    WANTED = "a finished trial"

    version: Literal[1] = 1
    number: int
    """Of the trials that were drawn together; 0 is the default."""
    context: str
    """Digest of everything that trials of one tuning have in common."""
    hyperparameters: dict[str, Any]
    """In place of the configured ones with the same names."""
    epochs: int
    seed: int
    skill: float | None
    """On the held-back span; None when the training failed."""
    epochs_run: int
    failure: str = ""
