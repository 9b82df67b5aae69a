"""Trains the model once without each feature: its values are those of other rows, in training and evaluation."""

from collections.abc import Callable
from typing import Any

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa

from mlops.actions.scoring.measuring.bench import Bench
from problems import kind
from problems.kind import Gain

CONFIDENCE = 0.95
FURTHER_SEEDS = 2
"""A feature that seems to make the model worse is left out with so many other seeds too; all must agree."""


def measure(bench: Bench) -> dict[str, Any]:
    """Return by feature the skill with it minus the skill without it, with the interval over the eval rows."""
    problem = kind(bench.subject.usecase.problem.task)
    found = {}
    for feature in bench.subject.serving_features:
        gains = [_gain(bench, feature.name, 0)]
        while gains[-1].high < 0 and len(gains) <= FURTHER_SEEDS:
            gains.append(_gain(bench, feature.name, len(gains)))
        best = max(gains, key=lambda gain: gain.high)
        found[feature.name] = {"low": best.low, "gain": best.value, "high": best.high, "seeds": len(gains)}
    return {"skill": problem.skill_name, "rows": len(bench.trained.predictions.labels), "features": found}


def _gain(bench: Bench, name: str, more: int) -> Gain:
    """Compare with and without a feature, both trained with a seed that is `more` above the run's."""
    session = bench.session.variant(seed=bench.session.settings.seed + more)
    whole = bench.trained if not more else bench.train(session)
    without = bench.train(session.altered(shuffled(name, session.settings.seed)))
    ours, theirs = whole.predictions, without.predictions
    return kind(session.settings.task).gain(ours.labels, ours.scores, theirs.scores, CONFIDENCE, ours.weights)


def shuffled(name: str, seed: int) -> Callable[[pa.RecordBatch], pa.RecordBatch]:
    """Return what gives each row of a batch the feature of another row."""
    random = np.random.default_rng(seed)

    def change(batch: pa.RecordBatch) -> pa.RecordBatch:
        at = batch.schema.get_field_index(name)
        columns = list(batch.columns)
        columns[at] = columns[at].take(pa.array(random.permutation(batch.num_rows)))
        return pa.RecordBatch.from_arrays(columns, schema=batch.schema)

    return change
