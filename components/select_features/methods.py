"""Scores features by each method, with scikit-learn; a feature's score is comparable with that of its shadows."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from components.select_features.config import Method
from components.select_features.fold_columns import Encoded, Floats, Fold
from core.problem import Task
from problems import kind

_TREES = 40
_DEPTH = 7
_STEPS = 20
"""Rounds in which recursive elimination leaves out columns."""


def scores(method: Method, encoded: Encoded, fold: Fold, weights: Floats | None) -> Floats:
    """Return a score per feature, [features]: the best of its columns, or their sum for `importance`."""
    features = len(encoded.mains)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # columns that are constant in a fold have no F value
        by_column = (
            _by_elimination(encoded, fold, weights)
            if method == "rfe"
            else _METHODS[method](encoded.train, fold, weights)
        )
    found = np.full(features, 0.0 if method == "importance" else -np.inf)
    if method == "importance":
        np.add.at(found, encoded.owners, by_column)
    else:
        np.maximum.at(found, encoded.owners, by_column)
    return found


def without_redundant(order: list[int], encoded: Encoded, above: float) -> list[int]:
    """Leave out each feature that is correlated with a better one; `order` has the best first."""
    mains = encoded.train[:, list(encoded.mains)]
    kept: list[int] = []
    for feature in order:
        if all(abs(_correlation(mains[:, feature], mains[:, better])) <= above for better in kept):
            kept.append(feature)
    return kept


def _correlation(one: Floats, other: Floats) -> float:
    spread = one.std() * other.std()
    return float(((one - one.mean()) * (other - other.mean())).mean() / spread) if spread > 0 else 0.0


def _by_correlation(columns: Floats, fold: Fold, weights: Floats | None) -> Floats:  # noqa: ARG001 - as the others
    best = np.zeros(columns.shape[1])
    for target in fold.targets.T:
        best = np.maximum(best, [abs(_correlation(column, target)) for column in columns.T])
    return best


def _by_k_best(columns: Floats, fold: Fold, weights: Floats | None) -> Floats:  # noqa: ARG001 - as the others
    from sklearn.feature_selection import SelectKBest, f_classif, f_regression  # noqa: PLC0415

    test = f_classif if kind(fold.task).has_classes else f_regression
    fitted = SelectKBest(test, k="all").fit(columns, _labels(fold))
    return np.asarray(np.nan_to_num(fitted.scores_))


def _by_elimination(encoded: Encoded, fold: Fold, weights: Floats | None) -> Floats:
    """Return the negative rank of each column; those of plain values come last, which a linear model often halves."""
    from sklearn.feature_selection import RFE  # noqa: PLC0415

    columns = encoded.train[:, encoded.rates]
    scaled = columns / np.where(columns.std(axis=0) > 0, columns.std(axis=0), 1)
    step = max(1, columns.shape[1] // _STEPS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = RFE(kind(fold.task).linear_model(), n_features_to_select=1, step=step).fit(
            scaled, _labels(fold), sample_weight=weights
        )
    ranks = np.full(encoded.train.shape[1], -np.inf)
    ranks[encoded.rates] = -fitted.ranking_
    return ranks


def _by_importance(columns: Floats, fold: Fold, weights: Floats | None) -> Floats:
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor  # noqa: PLC0415

    trees: Any = ExtraTreesClassifier if kind(fold.task).has_classes else ExtraTreesRegressor
    model = trees(n_estimators=_TREES, max_depth=_DEPTH, min_samples_leaf=5, random_state=fold.seed, n_jobs=1)
    model.fit(columns, _labels(fold), sample_weight=weights)
    return np.asarray(model.feature_importances_)


def _by_penalty(columns: Floats, fold: Fold, weights: Floats | None) -> Floats:
    """Return absolute coefficients at the universal penalty, which chance alone rarely exceeds."""
    from sklearn.linear_model import Lasso, LogisticRegression  # noqa: PLC0415

    scaled = (columns - columns.mean(axis=0)) / np.where(columns.std(axis=0) > 0, columns.std(axis=0), 1)
    rows, labels = len(columns), _labels(fold)
    log = np.log(max(2, columns.shape[1]))
    if not kind(fold.task).has_classes:
        model = Lasso(alpha=float(np.std(labels)) * np.sqrt(2 * log / rows))
    else:
        # The likelihood's slope at a noise column has the standard deviation sqrt(rows) / 2.
        penalty = np.sqrt(2 * rows * log) / 2
        model = LogisticRegression(penalty="l1", solver="liblinear", C=1 / penalty, random_state=fold.seed)
    model.fit(scaled, labels, sample_weight=weights)
    return np.asarray(np.abs(np.atleast_2d(model.coef_)).max(axis=0))


def _labels(fold: Fold) -> NDArray[Any]:
    labels = fold.labels[fold.train]
    return labels.astype(np.int64) if kind(fold.task).has_classes else labels


_METHODS: dict[str, Callable[[Floats, Fold, Floats | None], Floats]] = {
    "correlation": _by_correlation,
    "k_best": _by_k_best,
    "importance": _by_importance,
    "l1": _by_penalty,
}


def estimator(task: Task, seed: int) -> Any:
    """Return the model that selected features are compared with: small boosted trees."""
    from sklearn.ensemble import (  # noqa: PLC0415
        HistGradientBoostingClassifier,
        HistGradientBoostingRegressor,
    )

    trees = HistGradientBoostingClassifier if kind(task).has_classes else HistGradientBoostingRegressor
    return trees(
        max_iter=40, max_leaf_nodes=15, min_samples_leaf=20, max_bins=63, early_stopping=False, random_state=seed
    )
