"""The learning curve of a strategy beside random choice, on rows whose labels are known."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from artifacts.examples.names import EVAL, TRAIN
from artifacts.labels.reader import Value
from core import pictures
from core.errors import UsageError
from core.pictures import Markup
from mlops.actions.labeling.matrix import Matrix, matrix
from mlops.actions.labeling.rows import Rows
from mlops.actions.labeling.strategies import Pool, Strategy, choose, fitted

RANDOM: Strategy = "random"


@dataclass(frozen=True)
class Known:
    """Rows whose labels are all known: those of train are revealed when they are chosen, those of eval measure."""

    features: Matrix
    labels: Sequence[Value | None]
    train: npt.NDArray[np.intp]
    eval: npt.NDArray[np.intp]
    classes: tuple[Value, ...]


@dataclass(frozen=True)
class Curve:
    """Accuracy on the eval split by number of labels, averaged over seeds."""

    labels: list[int]
    accuracy: dict[str, list[float]]
    """Strategy -> a value for each number of labels."""

    def labels_to(self, strategy: str, accuracy: float) -> int | None:
        """Return the number of labels from which a strategy reaches an accuracy; None if it does not."""
        reached = (
            count for count, value in zip(self.labels, self.accuracy[strategy], strict=True) if value >= accuracy
        )
        return next(reached, None)


def known(rows: Rows) -> Known:
    """Return the labeled rows of the splits train and eval; UsageError where the source has too few labels."""
    places = {
        split: np.array([p for p, row in enumerate(rows.rows) if row.split == split and row.label is not None], np.intp)
        for split in (TRAIN, EVAL)
    }
    if min(map(len, places.values())) < 10:
        raise UsageError(f"{rows.usecase}: a learning curve needs labels in the source, for train and for eval")
    labels = [row.label for row in rows.rows]
    return Known(matrix(rows.rows), labels, places[TRAIN], places[EVAL], rows.classes)


def measure(
    data: Known,
    strategy: Strategy,
    steps: Sequence[int],
    seeds: int,
    show: Callable[[str], None] = lambda _: None,
) -> Curve:
    """Label rows in steps, chosen by a strategy and at random, and measure after each, from the same first rows."""
    found: dict[str, list[list[float]]] = {}
    for seed in range(seeds):
        start = _start(data, steps[0], seed)
        for name in dict.fromkeys((strategy, RANDOM)):
            show(f"seed {seed}: {name}")
            found.setdefault(name, []).append(_run(data, name, start, (steps, seed)))
    return Curve(list(steps), {name: np.mean(values, axis=0).tolist() for name, values in found.items()})


def draw(curve: Curve, title: str) -> Markup:
    """Draw the accuracy of the strategies by number of labels."""
    with pictures.figure(6.0, 3.2) as figure:
        axes = figure.add_subplot()
        for name, values in curve.accuracy.items():
            axes.plot(curve.labels, values, marker=".", label=name)
        axes.set(xlabel="labels", ylabel="accuracy on eval")
        axes.legend()
    drawing = pictures.svg(figure, "accuracy by number of labels, of the strategy and of random choice")
    rows = [[count, *(values[place] for values in curve.accuracy.values())] for place, count in enumerate(curve.labels)]
    return pictures.fragment(title, drawing, pictures.table(["labels", *curve.accuracy], rows))


def _start(data: Known, count: int, seed: int) -> list[int]:
    """Return the first rows: random ones, which the classes they lack are added to, one row each."""
    order = np.random.default_rng(seed).permutation(data.train)
    chosen = order[:count].tolist()
    seen = {data.labels[place] for place in chosen}
    for place in order[count:]:
        if data.labels[place] not in seen:
            seen.add(data.labels[place])
            chosen.append(int(place))
    return [int(place) for place in chosen]


def _run(data: Known, strategy: Strategy, start: list[int], plan: tuple[Sequence[int], int]) -> list[float]:
    steps, seed = plan
    taken = list(start)
    values = []
    for step in steps:
        pool = _pool(data, taken)
        if step > len(taken):
            taken += choose(pool, strategy, step - len(taken), seed)
            pool = _pool(data, taken)
        guessed = fitted(pool)[data.eval].argmax(axis=1)
        right = [data.classes[code] == data.labels[row] for code, row in zip(guessed, data.eval, strict=True)]
        values.append(float(np.mean(right)))
    return values


def _pool(data: Known, taken: list[int]) -> Pool:
    labels = [label for place in taken if (label := data.labels[place]) is not None]
    rest = np.setdiff1d(data.train, taken)
    return Pool(data.features, np.array(taken, np.intp), labels, rest, data.classes)
