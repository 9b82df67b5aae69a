"""The importance of each feature: by Shapley values in two samples, and by shuffling its values."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from artifacts.explanations.explained import Explained
from artifacts.explanations.shapley import mean_absolute
from components.explain_model.config import Config
from components.explain_model.rows import EvalRows, predicted
from serving.models.explainer import Explainer

Values = NDArray[np.float64]
_REPEATS = 2
"""How often each feature is shuffled."""


@dataclass(frozen=True)
class Samples:
    """Two samples of explained rows, each with walks and background rows of its own."""

    rows: NDArray[np.intp]
    """Their numbers in the eval rows, those of the first sample first."""
    explained: tuple[Explained, ...]
    halves: tuple[Values, Values]
    """By sample, what is ranked: the importance of the features, or of the cells of the only one, an image."""
    background: int
    """Background rows of each sample."""

    @property
    def values(self) -> Values:
        """[rows, features, outputs]."""
        return np.stack([one.every for one in self.explained])

    @property
    def commonest_output(self) -> int:
        """The output that is explained most often."""
        return int(np.bincount([one.output for one in self.explained]).argmax())

    @property
    def residual(self) -> float:
        """The largest residual; NaN when one is, or there is none."""
        return float(np.max([one.residual for one in self.explained])) if self.explained else float("nan")

    @property
    def stability(self) -> float | None:
        """Rank correlation (Spearman) between the samples; None where there is one feature only."""
        first, second = map(rankdata, self.halves)
        if len(first) < 2:
            return None
        if first.std() == 0 or second.std() == 0:
            return float("nan")
        return float(np.corrcoef(first, second)[0, 1])


def explained_samples(config: Config, rows: EvalRows, first: Explainer, second: Explainer) -> Samples:
    """Explain two samples that share no row; each has half of the rows where there are too few."""
    each = min(config.rows, len(rows) // 2)
    drawn = np.random.default_rng(config.seed).permutation(len(rows))[: 2 * each]
    halves = [
        explainer.explain(rows.fed_of(numbers))
        for explainer, numbers in ((first, drawn[:each]), (second, drawn[each:]))
    ]
    ranked = [_ranked(half) for half in halves]
    return Samples(drawn, (*halves[0], *halves[1]), (ranked[0], ranked[1]), first.background_rows)


def _ranked(half: list[Explained]) -> Values:
    if not half:
        return np.zeros(0)
    cells = [next(iter(one.cells.values())) for one in half if len(one.attributions) == 1 and one.cells]
    if len(cells) == len(half) and len({one.shape for one in cells}) == 1:
        drawn: Values = np.abs(np.stack(cells)).mean(axis=0).reshape(-1)
        return drawn
    return mean_absolute(np.stack([one.every for one in half]))


def permutation_importance(config: Config, rows: EvalRows, explainer: Explainer) -> dict[str, float]:
    """Return by feature the skill that is lost when its values are shuffled among the rows; {} where it is left out.

    A feature whose loss is undefined, such as the AUC of one class, is left out.
    """
    if not config.permutation_rows:
        return {}
    whole = rows.skill(predicted(explainer, rows.fed))
    random = np.random.default_rng(config.seed)
    orders = [random.permutation(len(rows)) for _ in range(_REPEATS)]
    lost: dict[str, float] = {}
    for feature in rows.features.features:
        losses = []
        for order in orders:
            names = [name for name in (feature.tensor, feature.count) if name]
            shuffled = rows.fed | {name: rows.fed[name][order] for name in names}
            losses.append(whole - rows.skill(predicted(explainer, shuffled)))
        loss = float(np.mean(losses))
        if np.isfinite(loss):
            lost[feature.name] = loss
    return lost
