"""Asks the model in production about extreme rows: every answer must be finite."""

from typing import Any

import numpy as np
import tensorflow as tf

from artifacts.examples.names import EVAL
from artifacts.model.sampled_rows import sample_rows
from mlops.actions.scoring.measuring.bench import Bench
from mlops.actions.scoring.measuring.extreme_rows import extreme, serialized

_ROWS = 8


def measure(bench: Bench) -> dict[str, Any]:
    """Return how many rows were asked, and how many answers are not finite."""
    features = bench.subject.serving_features
    sampled = sample_rows(bench.splits.sample(EVAL, 200, seed=0).batch, bench.not_sent, _ROWS)
    rows = [one for row in sampled.rows for one in extreme(row, features)]
    output = bench.champion(tf.constant([serialized(row, features) for row in rows]))
    finite = np.isfinite(output.reshape(len(rows), -1)).all(axis=1)
    return {
        "rows": len(rows),
        "not_finite": int((~finite).sum()),
        "first": [rows[at] for at in np.flatnonzero(~finite)[:1]],
    }
