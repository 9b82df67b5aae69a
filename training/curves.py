"""Draws the curves of a training for the report."""

from collections.abc import Mapping
from pathlib import Path

from core import pictures
from training.fitting import Fitted


def draw(path: Path | str, fitted: Fitted, facts: Mapping[str, str | float]) -> None:
    """Write the curves of every metric over the epochs, on training and validation, and a table of facts."""
    names = [name for name in fitted.history if not name.startswith("val_")]
    parts = [pictures.table(("", ""), list(facts.items()))]
    for name in names:
        parts.append(_curve(name, fitted))
    pictures.write(path, pictures.fragment("Training", *parts))


def _curve(name: str, fitted: Fitted) -> pictures.Markup:
    with pictures.figure(4.5, 2.4, numbers=1) as figure:
        axes = figure.add_subplot()
        for label, key in (("training", name), ("validation", f"val_{name}")):
            values = fitted.history.get(key, [])
            axes.plot(range(1, len(values) + 1), values, marker="o", markersize=3, label=label)
        axes.axvline(fitted.best_epoch, linestyle=":", color="#8a8f98", label="kept")
        axes.set_title(name)
        axes.set_xlabel("epoch")
        axes.locator_params(axis="x", integer=True)
        axes.legend()
        return pictures.svg(figure, f"{name} over the epochs, training and validation")


def draw_without_history(path: Path | str, rows: int) -> None:
    """Write the number of rows that a module's `run_fn` trained on; its metrics are unknown."""
    pictures.write(
        path,
        pictures.fragment(
            "Training",
            f"The module's own run_fn trained on {rows:,} rows; its curves are in its logs under model_run/.",
        ),
    )
