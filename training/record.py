"""Records how a training went, beside its model: `training.json`, the metrics, and the curves."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras

from artifacts.model.names import TRAINING
from training import curves
from training.fitting import Fitted


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
