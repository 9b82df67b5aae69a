"""The plots of the kinds of problem."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core import pictures
from core.pictures import COLORS, Markup
from problems.gains import Values
from problems.kind import Class

POINTS = 200
"""Maximum number of points of a ROC curve."""
BINS = 20
"""Bins of a histogram."""
CLASSES_SHOWN = 30
"""Maximum number of classes in a confusion matrix; larger ones are not readable."""
ROWS_DRAWN = 1000
"""Maximum number of points in a scatter plot."""
GREY = "#b9bec6"


def binary(labels: Values, models: Mapping[str, Values], names: Sequence[str]) -> Markup:
    """Draw ROC and calibration of every model, and the scores of the first one by class; `names` are the classes."""
    with pictures.figure(9.0, 3.2, numbers=3) as figure:
        roc, calibration, histogram = figure.subplots(1, 3)
        for index, (title, scores) in enumerate(models.items()):
            roc.plot(*_roc(labels, scores), label=title, color=COLORS[index])
            line = _calibration(labels, scores)
            calibration.plot(*line, marker="o", markersize=3, label=title, color=COLORS[index])
        for axes, name, x, y in (
            (roc, "ROC", "false positive rate", "true positive rate"),
            (calibration, "Calibration", "prediction", "rate of positives"),
        ):
            axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle="--")
            axes.set(title=name, xlabel=x, ylabel=y)
        roc.legend()
        title, scores = next(iter(models.items()))
        for value, color in ((0, COLORS[4]), (1, COLORS[5])):
            shown = {"density": True, "alpha": 0.6, "color": color, "label": f"label {names[value]}"}
            histogram.hist(scores[labels == value], bins=np.linspace(0, 1, BINS + 1).tolist(), **shown)
        histogram.set(title=f"Scores of the {title}", xlabel="prediction", ylabel="density")
        histogram.legend()
        return pictures.svg(figure, "ROC curve, calibration and histogram of the scores")


def regression(labels: Values, scores: Values) -> Markup:
    """Draw predictions against labels, the residuals against predictions, and the residuals' histogram."""
    some = np.linspace(0, len(labels) - 1, min(len(labels), ROWS_DRAWN)).astype(int)
    truth, predicted = labels[some], scores[some].astype(np.float64)
    with pictures.figure(9.0, 3.2) as figure:
        against, residuals, histogram = figure.subplots(1, 3)
        against.plot(truth, predicted, ".", markersize=3, alpha=0.5)
        ends = [float(min(truth.min(), predicted.min())), float(max(truth.max(), predicted.max()))]
        against.plot(ends, ends, color=GREY, linewidth=0.8, linestyle="--")
        against.set(title="Predictions of the candidate", xlabel="label", ylabel="prediction")
        residuals.plot(predicted, truth - predicted, ".", markersize=3, alpha=0.5)
        residuals.axhline(0, color=GREY, linewidth=0.8, linestyle="--")
        residuals.set(title="Residuals", xlabel="prediction", ylabel="label minus prediction")
        histogram.hist(labels - scores, bins=BINS, color=COLORS[4])
        histogram.set(title="Distribution of residuals", xlabel="label minus prediction", ylabel="rows")
        return pictures.svg(figure, "Predictions against labels, and residuals")


def confusion_matrix(table: NDArray[np.int64], names: Sequence[str]) -> Markup:
    """Draw a confusion matrix, [true class, predicted class]; colours are shares of the true class."""
    if len(names) > CLASSES_SHOWN:
        return Markup(f"<p>{pictures.muted(f'{len(names)} classes are too many to draw a confusion matrix')}</p>")
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    size = 2.2 + 0.45 * len(names)
    with pictures.figure(size + 0.8, size) as figure:
        axes = figure.add_subplot()
        axes.grid(False)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        ticks: Any = range(len(names))
        axes.set_xticks(ticks, [_short(name) for name in names], rotation=45, ha="right")
        axes.set_yticks(ticks, [_short(name) for name in names])
        for (true, predicted), rows in np.ndenumerate(table):
            color = "white" if shares[true, predicted] > 0.5 else "#3c4149"
            axes.text(predicted, true, f"{rows:,}" if rows else "", ha="center", va="center", color=color, fontsize=8)
        axes.set(title="Confusion matrix of the candidate", xlabel="predicted class", ylabel="class")
        return pictures.svg(figure, "Confusion matrix: rows by true and predicted class")


def class_table(classes: Sequence[Class]) -> Markup:
    """Draw the metrics of the classes as a table, the lowest F1 first."""
    rows = [
        [one.name, one.rows, *(value if np.isfinite(value) else None for value in one[2:])]
        for one in sorted(classes, key=lambda one: (np.isnan(one.f1), one.f1))
    ]
    return pictures.table(["class", "rows", "precision", "recall", "F1"], rows)


def _short(name: str) -> str:
    return name if len(name) <= 20 else f"{name[:19]}…"


def _roc(labels: Values, scores: Values) -> tuple[Values, Values]:
    order = np.argsort(-scores, kind="stable")
    positive = labels[order] > 0
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    hits, misses = np.cumsum(positive)[ends], np.cumsum(~positive)[ends]
    some = np.unique(np.linspace(0, len(ends) - 1, min(POINTS, len(ends))).astype(int))
    return np.append(0, misses[some] / misses[-1]), np.append(0, hits[some] / hits[-1])


def _calibration(labels: Values, scores: Values) -> tuple[Values, Values]:
    """Return mean score and rate of positives in ten bins with equal numbers of rows."""
    parts = [part for part in np.array_split(np.argsort(scores, kind="stable"), 10) if len(part)]
    return np.array([scores[part].mean() for part in parts]), np.array([labels[part].mean() for part in parts])
