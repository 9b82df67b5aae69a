"""Makes a selection by every method for every seed and fold, and scores the held-out rows with it."""

import time
from dataclasses import dataclass, field
from itertools import chain, product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import KFold, StratifiedKFold
from threadpoolctl import threadpool_limits

from artifacts.selection.selection import ALL, UNION
from components.select_features.config import Config, Method
from components.select_features.fold_columns import Encoded, Floats, Fold, encode
from components.select_features.methods import estimator, scores, without_redundant
from components.select_features.raw_columns import RawColumn
from components.select_features.target import Target
from core.errors import DataError
from problems import kind

_SHARE = 0.8
"""Share of a fold's training rows that a run draws."""
_SHADOWS = 20
"""Fewest shadows, so that the best of them is far from what chance alone reaches."""


@dataclass
class MethodRuns:
    """What one method selected and predicted."""

    selected: list[frozenset[str]] = field(default_factory=list)
    """One per seed and fold."""
    predicted: dict[int, Floats] = field(default_factory=dict)
    """Seed -> the scores of all rows, each made without its own fold."""
    seconds: float = 0.0


@dataclass
class Runs:
    """All runs."""

    methods: dict[str, MethodRuns]
    gains: dict[str, list[float]]
    """Feature -> the skill lost by shuffling it, in every fold of the first seed."""
    folds: int


def folds_of(config: Config, target: Target, spans: NDArray[np.int64], *, by_span: bool) -> list[NDArray[np.int64]]:
    """Return the held-out rows of each fold: a span each, or else random ones; DataError for fewer rows than folds."""
    found = np.unique(spans)
    if by_span and len(found) > 1:
        return [np.flatnonzero(spans == span) for span in found]
    rows = len(target.values)
    smallest = int(np.unique(target.values, return_counts=True)[1].min()) if target.classes else rows
    if min(rows, smallest) < config.folds:
        what = "rows of every class" if target.classes else "rows"
        raise DataError(
            f"select_features.folds: wanted at least {config.folds} {what} in the split 'train', a row per fold, "
            f"got {min(rows, smallest)}; lower folds, or widen ingest_examples.window"
        )
    splitter = StratifiedKFold if target.classes else KFold
    chosen = splitter(config.folds, shuffle=True, random_state=config.seeds[0])
    return [test for _, test in chosen.split(target.values, target.values)]


def run_all(config: Config, columns: list[RawColumn], target: Target, folds: list[NDArray[np.int64]]) -> Runs:
    """Run every method for every seed and fold, on one processor, so that equal inputs give equal numbers."""
    runs = Runs(
        {name: MethodRuns() for name in (ALL, *config.methods, UNION)}, {one.name: [] for one in columns}, len(folds)
    )
    with threadpool_limits(limits=1):
        for seed, (index, fold) in product(config.seeds, enumerate(folds)):
            run = _Run(config, columns, target, _fold(config, target, fold, (seed, index)), seed)
            _run(run, runs)
            if seed == config.seeds[0]:
                _add_gains(run, runs, index)
    return runs


@dataclass(frozen=True)
class _Run:
    """The inputs of one selection by every method."""

    config: Config
    columns: list[RawColumn]
    target: Target
    fold: Fold
    seed: int

    @property
    def weights(self) -> Floats | None:
        """The weights of the training rows."""
        return None if self.target.weights is None else self.target.weights[self.fold.train]


def _fold(config: Config, target: Target, test: NDArray[np.int64], key: tuple[int, int]) -> Fold:
    """Draw the training rows of one fold for one seed; `key` is the seed and the fold's index."""
    others = np.setdiff1d(np.arange(len(target.values)), test)
    train = np.sort(np.random.default_rng(key).permutation(others)[: max(2, int(len(others) * _SHARE))])
    if target.classes and len(np.unique(target.values[train])) < 2:
        raise DataError(
            f"label {config.label!r}: wanted two classes in the training rows of every fold, got one without the "
            f"rows of fold {key[1] + 1}; widen ingest_examples.window"
        )
    return Fold(train, test, target.values, target.width, config.task, key[0] * 1000 + key[1])


def _run(run: _Run, runs: Runs) -> None:
    encoded = encode([*run.columns, *_shadows(run)], run.fold)
    names = [column.name for column in run.columns]
    by_method: dict[str, list[int]] = {ALL: list(range(len(names)))}
    for name, method in runs.methods.items():
        began = time.perf_counter()
        if name == UNION:
            by_method[UNION] = sorted({*chain.from_iterable(by_method[one] for one in run.config.methods)})
        elif name != ALL:
            by_method[name] = _chosen(name, encoded, run)  # type: ignore[arg-type]  # the configured names
        chosen = by_method[name]
        predicted = _predict(encoded, chosen, run)
        method.seconds += time.perf_counter() - began
        method.selected.append(frozenset(names[index] for index in chosen))
        every = method.predicted.setdefault(run.seed, np.zeros((len(run.target.values), *predicted.shape[1:])))
        every[run.fold.test] = predicted


def _shadows(run: _Run) -> list[RawColumn]:
    """Return copies of the features with their rows in another order, which know nothing of the label."""
    random = np.random.default_rng((run.fold.seed, 2))
    rows = len(run.target.values)
    cheap = [column for column in run.columns if column.form != "wide"]
    copies = [*run.columns]
    while cheap and len(copies) < _SHADOWS:
        copies += cheap
    return [column.permuted(random.permutation(rows)) for column in copies]


def _chosen(method: Method, encoded: Encoded, run: _Run) -> list[int]:
    """Return the features that score higher than every shadow, and those that are always kept."""
    count = len(run.columns)
    found = scores(method, encoded, run.fold, run.weights)
    bound = max([0.0 if method != "rfe" else -np.inf, *found[count:].tolist()])
    order = [int(index) for index in np.argsort(-found[:count], kind="stable") if found[index] > bound]
    if method == "correlation":
        order = without_redundant(order, encoded, run.config.correlation_above)
    order = order[: run.config.max_features]
    kept = [index for index, column in enumerate(run.columns) if column.name in run.config.keep]
    return sorted({*order, *kept})


def _predict(encoded: Encoded, chosen: list[int], run: _Run) -> Floats:
    """Score the held-out rows with a model of the chosen features."""
    columns = np.isin(encoded.owners, chosen)
    if not columns.any():
        mean = np.asarray(kind(run.config.task).targets(run.fold.labels[run.fold.train], run.target.width)).mean(axis=0)
        return np.broadcast_to(mean, (len(run.fold.test), *np.shape(mean))).astype(np.float64)
    model = _fitted(encoded.train[:, columns], run)
    return _scored(model, encoded.test[:, columns], run)


def _fitted(columns: Floats, run: _Run) -> Any:
    labels = run.fold.labels[run.fold.train]
    has_classes = kind(run.config.task).has_classes
    model = estimator(run.config.task, run.fold.seed)
    return model.fit(columns, labels.astype(np.int64) if has_classes else labels, sample_weight=run.weights)


def _scored(model: Any, columns: Floats, run: _Run) -> Floats:
    return np.asarray(kind(run.config.task).linear_scores(model, columns, run.target.width), np.float64)


def _add_gains(run: _Run, runs: Runs, index: int) -> None:
    """Shuffle each feature on the held-out rows, and add the skill that is lost."""
    encoded = encode(run.columns, run.fold)
    model = _fitted(encoded.train, run)
    problem, test = kind(run.config.task), run.fold.test
    labels, weights = run.target.values[test], None if run.target.weights is None else run.target.weights[test]
    before = problem.skill(labels, _scored(model, encoded.test, run), weights)
    order = np.random.default_rng((index, 3)).permutation(len(test))
    for feature, column in enumerate(run.columns):
        shuffled = encoded.test.copy()
        own = encoded.owners == feature
        shuffled[:, own] = shuffled[order][:, own]
        runs.gains[column.name].append(before - problem.skill(labels, _scored(model, shuffled, run), weights))
