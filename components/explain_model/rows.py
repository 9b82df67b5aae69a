"""The rows of the eval split that are explained: their inputs, labels, scores and errors."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from artifacts.evaluation.columns import Values, numbers
from artifacts.model import label as label_file
from artifacts.model.arrow_tensors import tensors
from artifacts.model.features import Features
from artifacts.predictions.labels import LabelReader
from artifacts.predictions.predictor import saved_model
from artifacts.predictions.split import Splits
from components.explain_model.config import Config
from problems import kind
from problems.labels import TrainedLabel
from serving.bodies.columns import Column
from serving.models.explainer import Explainer

EVAL = "eval"
_PREDICTED_ROWS = 1024
Fed = dict[str, Column]
"""The tensors of raw features."""


@dataclass(frozen=True)
class EvalRows:
    """A sample of the eval split."""

    batch: pa.RecordBatch
    features: Features
    fed: Fed
    label: TrainedLabel
    labels: Values
    weights: Values | None
    scores: Values
    """As metrics use them."""

    @classmethod
    def sample(cls, config: Config, splits: Splits, explainer: Explainer, model: Path) -> Self:
        """Draw rows for both samples and the permutation importance; DataError for labels that cannot be used."""
        block = splits.sample(EVAL, max(2 * config.rows, config.permutation_rows), config.seed)
        batch, features = block.batch, explainer.features
        path = saved_model(model)
        label = label_file.read(path) or TrainedLabel(config.label, config.task, output=config.model_output)
        fed: Fed = {}
        for feature in features.features:
            at = batch.schema.get_field_index(feature.name)
            fed |= tensors(feature, batch.column(at) if at >= 0 else None, batch.num_rows)
        output = predicted(explainer, fed)
        problem = kind(config.task)
        shaped = problem.shaped(output.astype(np.float32), str(path))
        width = shaped.shape[1] if shaped.ndim == 2 else 2
        return cls(
            batch=batch,
            features=features,
            fed=fed,
            label=label,
            labels=LabelReader(label, width, model)(block),
            weights=None if config.weight is None else numbers(batch, config.weight),
            scores=problem.scores(shaped, label.output).values,
        )

    def __len__(self) -> int:
        return int(self.batch.num_rows)

    def fed_of(self, rows: Sequence[int] | NDArray[np.intp]) -> Fed:
        """Return the inputs of some rows."""
        return {name: values[rows] for name, values in self.fed.items()}

    def worst(self, most: int) -> list[int]:
        """Return the rows with the largest errors, the largest first."""
        errors = kind(self.label.task).row_errors(self.labels, self.scores)
        return [int(row) for row in np.argsort(-errors, kind="stable")[:most] if np.isfinite(errors[row])]

    def skill(self, output: Values) -> float:
        """Return the skill of a model's output for the rows."""
        problem = kind(self.label.task)
        shaped = problem.shaped(np.asarray(output, np.float32), "the model")
        return float(problem.skill(self.labels, problem.scores(shaped, self.label.output).values, self.weights))

    def described_label(self, row: int) -> str:
        """Return a row's label as text."""
        return kind(self.label.task).describe_label(self.labels[row], self.label.classes)

    def described_prediction(self, row: int) -> str:
        """Return a row's prediction as text."""
        return kind(self.label.task).describe_prediction(self.scores[row], self.label.classes)

    def values(self, row: int) -> dict[str, Any]:
        """Return a row's features: a value, several as a list, or None."""
        found: dict[str, Any] = {}
        for name in self.features.by_name:
            at = self.batch.schema.get_field_index(name)
            values = (self.batch.column(at)[row].as_py() if at >= 0 else None) or []
            found[name] = None if not values else values[0] if len(values) == 1 else values
        return found


def predicted(explainer: Explainer, fed: Fed) -> Values:
    """Return the model's output for many rows, [rows, outputs]."""
    rows = len(next(iter(fed.values())))
    parts = []
    for start in range(0, rows, _PREDICTED_ROWS):
        parts.append(explainer.predict({name: values[start : start + _PREDICTED_ROWS] for name, values in fed.items()}))
    return np.concatenate(parts)
