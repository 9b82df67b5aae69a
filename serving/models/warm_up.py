"""Lets a version answer the real rows that training left in it, so that no client pays for the first answer."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from artifacts.model.names import WARM_UP_ROWS
from artifacts.model.rows import read_rows
from serving.bodies import requests
from serving.errors import ModelError, RequestError
from serving.signature import DEFAULT_SIGNATURE

if TYPE_CHECKING:
    from serving.models.savedmodel import SavedModel

ROWS = 8
"""Most rows that a version is asked before it takes requests."""


def warm_up(model: "SavedModel", saved_model: Path) -> None:
    """Ask a model its rows, one by one and all in one.

    A model without rows is not asked: no row that is made up says anything about a real one. Raises ModelError when it
    refuses a row that it was trained beside, or answers one with what is no finite number.
    """
    path = saved_model / WARM_UP_ROWS
    signature = model.signatures.get(DEFAULT_SIGNATURE)
    if model.rows is None or signature is None:
        return
    try:
        rows = read_rows(path, ROWS)
        batches = [[row] for row in rows] + ([rows] if len(rows) > 1 else [])
        for batch in batches:
            _ask(model, batch)
    except (RequestError, ValueError) as error:
        raise ModelError(f"{path}: the model does not answer its own rows: {error}") from error


def _ask(model: "SavedModel", rows: list[dict[str, object]]) -> None:
    from serving.models.savedmodel import serialize  # noqa: PLC0415 - TensorFlow, which a loaded model has imported already

    signature = model.signature(DEFAULT_SIGNATURE)
    question = requests.Question(signature.name, "instances", rows, {})
    if signature.takes_examples:
        fed = {signature.inputs[0].name: serialize(requests.example_rows(question, model.rows, len(rows)))}
    else:
        fed = dict(requests.feeds(question, signature, len(rows)).columns)
    for name, values in model.run(signature, fed).items():
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise ValueError(
                f"its output {name!r} has values that are not finite numbers; roll back, and look at the training"
            )
