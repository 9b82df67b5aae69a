"""Finds the output that a model is scored by."""

from collections.abc import Collection

_NAMES = ("outputs", "scores", "predictions", "probabilities", "logits", "output_0")


def scored_output(outputs: Collection[str], numeric: Collection[str]) -> str | None:
    """Return the output with a usual name, else the only numeric one; None when there is no such output."""
    for name in _NAMES:
        if name in outputs:
            return name
    return next(iter(numeric)) if len(numeric) == 1 else None
