"""Compares the answers of the training's own rows and model with those of the exported one on raw rows."""

from typing import Any

import numpy as np

from artifacts.examples.names import EVAL
from artifacts.model import label as label_file
from core.errors import MlopsError
from mlops.actions.scoring.measuring.bench import Bench
from problems import kind

_BATCH = 8192
_ALLOWED = 64.0
"""Steps of float32, where the use case does not say."""


def measure(bench: Bench) -> dict[str, Any]:
    """Return the largest difference on all rows of the eval split, in steps of float32."""
    label = label_file.read(bench.trained_model)
    problem = kind(bench.subject.usecase.problem.task)
    if label is None or (label.source == "transformed" and not problem.has_classes):
        raise MlopsError(
            "the model answers in another unit than it is trained in, so that its answers are not compared"
        )
    blocks = bench.splits.blocks(EVAL, _BATCH)
    predictor = bench.predictor(bench.trained_model)
    output = np.concatenate([predictor(block.serialized) for block in blocks])
    served = problem.scores(output, label.output).values.astype(np.float32)
    trained = bench.trained.predictions.scores.astype(np.float32)
    steps = np.abs(served - trained) / np.spacing(np.maximum(np.abs(served), np.float32(1e-6)))
    infra = bench.subject.usecase.validate_infra
    allowed = float(infra.max_float32_steps) if infra is not None and infra.max_float32_steps else _ALLOWED
    return {"rows": len(served), "float32_steps": float(steps.max()), "allowed": allowed}
