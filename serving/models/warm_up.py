"""Predicts the real rows that training stored with a version, so that no client waits for a slow first answer."""

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
"""Most rows that are predicted before a version takes requests."""


def warm_up(model: "SavedModel", saved_model: Path) -> None:
    """Predict a model's warm-up rows, one by one and in one batch.

    A model without such rows is not warmed up, as invented rows would prove nothing. Raises ModelError when the model
    refuses one of its rows, or an output is not finite.
    """
    path = saved_model / WARM_UP_ROWS
    signature = model.signatures.get(DEFAULT_SIGNATURE)
    if model.rows is None or signature is None:
        return
    try:
        rows = read_rows(path, ROWS)
        batches = [[row] for row in rows] + ([rows] if len(rows) > 1 else [])
        for batch in batches:
            _predict(model, batch)
    except (RequestError, ValueError) as error:
        raise ModelError(f"{path}: the model cannot predict its own warm-up rows: {error}") from error


def _predict(model: "SavedModel", rows: list[dict[str, object]]) -> None:
    from serving.models.savedmodel import serialize  # noqa: PLC0415 - TensorFlow, imported by the loaded model

    signature = model.signature(DEFAULT_SIGNATURE)
    question = requests.Question(signature.name, "instances", rows, {})
    if signature.takes_examples:
        fed = {signature.inputs[0].name: serialize(requests.example_rows(question, model.rows, len(rows)))}
    else:
        fed = dict(requests.feeds(question, signature, len(rows)).columns)
    for name, values in model.run(signature, fed).items():
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise ValueError(
                f"its output {name!r} has values that are not finite numbers; roll back, and check the training"
            )
