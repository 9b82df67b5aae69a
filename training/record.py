"""Records how a training went, beside its model: `training.json`, the metrics, and the curves."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras

from artifacts.model.names import TRAINING
from training import curves
from training.fitting import Fitted
from training.settings import TrainingSettings

OF_TRAIN_MODEL = "hyperparameters of train_model"
"""Key of the hyperparameters that the module's own model has, in the record of a model that was chosen beside it."""


class Record:
    """The numbers of one training."""

    def __init__(self, model: keras.Model, fitted: Fitted, facts: Mapping[str, Any]) -> None:
        """Collect them; `facts` are further facts by name, such as `rows`."""
        self._fitted = fitted
        self.best = {name: values[fitted.best_epoch - 1] for name, values in fitted.history.items()}
        self.summary: dict[str, Any] = {
            **facts,
            "parameters": int(model.count_params()),
            "epochs": len(fitted.history["loss"]),
            "best epoch": fitted.best_epoch,
        }

    def write(self, model_folder: Path) -> None:
        """Write `training.json`."""
        content = {**self.summary, "best": self.best, "history": self._fitted.history}
        (model_folder / TRAINING).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")

    def log(self, log_metric: Callable[[str, float], None]) -> None:
        """Log the metrics of the kept epoch, and how many rows and epochs there were."""
        for name, value in self.best.items():
            log_metric(name, value)
        for name in ("rows", "epochs", "best epoch"):
            if name in self.summary:
                log_metric(name.replace(" ", "_"), float(self.summary[name]))

    def draw(self, pictures: Path | str) -> None:
        """Draw the curves and a table of the summary."""
        shown = {name: value for name, value in self.summary.items() if isinstance(value, str | int | float)}
        curves.draw(pictures, self._fitted, shown)


def read_record(model_folder: Path | str) -> dict[str, Any]:
    """Return what a training recorded beside its model; empty where it recorded nothing."""
    path = Path(model_folder) / TRAINING
    return dict(json.loads(path.read_bytes())) if path.is_file() else {}


def built_with(model_folder: Path | str) -> dict[str, Any]:
    """Return the hyperparameters that build a model again."""
    return dict(read_record(model_folder).get("hyperparameters") or {})


def as_trained(settings: TrainingSettings, model_folder: Path | str) -> TrainingSettings:
    """Return settings with the hyperparameters that `train_model` had, tuned ones among them, for the run of a model.

    The model may be that of `train_model`, or one that a later stage chose in its place.
    """
    record = read_record(model_folder)
    found = record.get(OF_TRAIN_MODEL, record.get("hyperparameters")) or {}
    return settings.model_copy(update={"hyperparameters": settings.hyperparameters | found})
