"""A trial, and how it went."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from core import digest

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Trial:
    """One training, of which everything follows from these values."""

    hyperparameters: dict[str, Any]
    """In place of the configured ones with the same names."""
    epochs: int
    seed: int
    keeps_scores: bool = False
    """Whether the scores of the held-back rows are kept, for a comparison row by row."""

    def key(self, context: str) -> str:
        """Return what identifies the trial; `context` is the digest of everything that trials have in common."""
        content = json.dumps({"context": context, **asdict(self)}, sort_keys=True)
        return digest.of_bytes(content.encode()).rpartition(":")[2]


@dataclass(frozen=True)
class Outcome:
    """How a trial went."""

    skill: float | None
    """On the held-back rows; None when the training failed."""
    epochs_run: int = 0
    failure: str = ""
    scores: Scores | None = None


def described(skill_name: str, hyperparameters: Mapping[str, Any], outcome: Outcome) -> str:
    """Return an outcome in one line of a log; `mlops tune` shows it while it waits."""
    skill = outcome.failure if outcome.skill is None else f"{skill_name} {outcome.skill:.4f}"
    point = ", ".join(f"{name} {_short(value)}" for name, value in hyperparameters.items()) or "default"
    return f"{skill} after {outcome.epochs_run} epochs; {point}"


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
