"""Tests what code of a model must do: loss falls, few rows are learned by heart, shapes and bits are as they should."""

from typing import Any

import numpy as np

from mlops.actions.scoring.measuring.bench import Bench
from problems import kind

FEW = 32
_STEPS = 300
_SMALLER = 0.5
"""Share of its loss that a model may keep after it was trained on a few rows alone."""


def measure(bench: Bench) -> dict[str, Any]:
    """Return each test with its result."""
    losses = bench.trained.fitted.history["loss"]
    before, after = _by_heart(bench)
    equal = _equal_builds(bench)
    width, finite = _answers(bench)
    return {
        "tests": {
            "the loss falls from the first epoch to the last": _result(
                losses[-1] < losses[0] or (len(losses) == 1 and np.isfinite(losses[0])),
                f"{losses[0]:.4g} to {losses[-1]:.4g}",
            ),
            f"{FEW} rows are learned by heart": _result(after < _SMALLER * before, f"loss {before:.4g} to {after:.4g}"),
            "two models that are built with one seed are equal": _result(
                equal, "bit-identical" if equal else "different"
            ),
            "a row has one answer, of the shape of the problem": _result(
                width, f"{len(bench.trained.predictions.scores)} rows"
            ),
            "every answer is finite": _result(finite, "all" if finite else "NaN or infinity"),
        }
    }


def _result(passed: object, observed: str) -> dict[str, Any]:
    return {"passed": bool(passed), "observed": observed}


def _by_heart(bench: Bench) -> tuple[float, float]:
    """Return the loss of a new model on a few rows before and after it was trained on them."""
    session = bench.session
    model = session.build()
    block = next(session.rows(model, "train").blocks())
    few = [{name: values[:FEW] for name, values in block[0].items()}, *(part[:FEW] for part in block[1:])]
    features, label = few[0], few[1]
    before = _loss(model, features, label)
    model.fit(features, label, batch_size=FEW, epochs=_STEPS, verbose=0)
    return before, _loss(model, features, label)


def _loss(model: Any, features: Any, label: Any) -> float:
    found = model.evaluate(features, label, batch_size=FEW, verbose=0, return_dict=True)
    return float(found["loss"])


def _equal_builds(bench: Bench) -> bool:
    one, other = ([weight.numpy() for weight in bench.session.build().weights] for _ in range(2))
    return len(one) == len(other) and all(np.array_equal(ours, theirs) for ours, theirs in zip(one, other, strict=True))


def _answers(bench: Bench) -> tuple[bool, bool]:
    predictions = bench.trained.predictions
    problem = kind(bench.session.settings.task)
    is_shaped = len(predictions.scores) == len(predictions.labels) and predictions.scores.ndim <= 2
    if problem.has_classes and predictions.scores.ndim == 2:
        is_shaped &= predictions.scores.shape[1] > int(predictions.labels.max())
    return is_shaped, bool(np.isfinite(predictions.scores).all())
