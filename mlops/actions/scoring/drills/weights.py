"""Looks for weights of a model that are not finite."""

from core.backends.registry import ModelVersion
from mlops.actions.scoring.drills.outcome import Outcome


def scan(version: ModelVersion | None) -> Outcome:
    """Read the weights that the training wrote beside the graph."""
    import numpy as np  # noqa: PLC0415 - the rows are read without NumPy

    from artifacts.model.names import WEIGHTS  # noqa: PLC0415

    if version is None or not (version.path / WEIGHTS).is_file():
        return Outcome(None, "no weights", "train with build_model, and push the model")
    bad, count = [], 0
    with np.load(version.path / WEIGHTS, allow_pickle=False) as weights:
        for name in weights.files:
            count += 1
            values = weights[name]
            if np.issubdtype(values.dtype, np.floating) and not np.isfinite(values).all():
                bad.append(name)
    step = "lower the learning rate, or look for the row that makes it infinite"
    return Outcome(not bad, ", ".join(bad[:3]) or f"{count} weights", step)
