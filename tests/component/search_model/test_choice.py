"""The smallest contender within the noise goes on; the module's own stays unless that is much smaller."""

from typing import Any

import numpy as np
import pytest

from artifacts.model.footprint import Footprint
from components.search_model.choice import Ran, rank
from components.search_model.config import Config
from problems import kind
from training.families.contender import Contender
from training.families.footprint import Measured
from training.predictions import Predictions

ROWS = 2000
FACTS = {
    "skill": "AUC", "task": "binary_classification", "held_out_span": 3, "trained_rows": 10, "left_out": {},
}  # fmt: skip


def _ran(name: str, parameters: int, noise: float) -> Ran:
    """Score one truth with so much noise, the less the better."""
    random = np.random.default_rng(0)
    labels = np.arange(ROWS) % 2.0
    scores = labels + noise * random.normal(size=ROWS) + 0.001 * np.random.default_rng(parameters).normal(size=ROWS)
    predicted = Predictions(labels, 1 / (1 + np.exp(-scores)), None)
    cost = Footprint(parameters=parameters, bytes=1, row_us=1, thousand_rows_us=1)
    contender = Contender(name, {}, name)
    skill = kind("binary_classification").skill(labels, predicted.scores)
    return Ran(contender, [predicted], [skill], Measured(cost, 0.0), 1.0)


@pytest.mark.parametrize(
    ("runs", "chosen"),
    [
        ([("deep", 100, 1.0), ("linear", 90, 1.0)], "linear"),
        ([("deep", 100, 1.0), ("linear", 10, 2.0)], "deep"),
        ([("build_model", 100, 1.0), ("linear", 90, 1.0)], "build_model"),
        ([("build_model", 100, 1.0), ("linear", 50, 1.0)], "linear"),
        ([("build_model", 100, 2.0), ("trees", 900, 1.0)], "trees"),
    ],
)
def test_the_smallest_within_the_noise_goes_on_but_not_for_a_trifle(runs: Any, chosen: str) -> None:
    league = rank(Config(families="every", confidence=0.95), [_ran(*one) for one in runs], FACTS)
    assert league.chosen == chosen
    assert league.of(chosen).is_within_noise
