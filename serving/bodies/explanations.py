"""Writes the body of an answer to a request for explanations."""

from collections.abc import Sequence
from typing import Any

from artifacts.explanations.explained import Explained
from serving.bodies.responses import encode
from serving.errors import RequestError


def explanations_body(explained: Sequence[Explained]) -> bytes:
    """Encode `predictions` as a prediction's answer has them, and an explanation of each row.

    RequestError (500) when a number is not finite.
    """
    entries = [explanation(one) for one in explained]
    try:
        return encode({"predictions": [list(one.scores) for one in explained], "explanations": entries})
    except ValueError:
        raise RequestError(
            500, "NON_FINITE_OUTPUT", "the model gives numbers that are not finite for this row, or near it"
        ) from None


def explanation(one: Explained) -> dict[str, Any]:
    """Return one explanation as JSON."""
    entry: dict[str, Any] = {
        "prediction": one.prediction,
        "base": one.base,
        "attributions": dict(one.attributions),
        "residual": one.residual,
        "method": "exact" if one.is_exact else "sampled" if one.evaluations else "signature",
    }
    if len(one.scores) > 1:
        entry["output"] = one.output
    if one.class_name:
        entry["class"] = one.class_name
    if one.words:
        entry["words"] = {name: [[word, value] for word, value in words] for name, words in one.words.items()}
    if one.cells:
        entry["cells"] = {name: cells.tolist() for name, cells in one.cells.items()}
    return entry
