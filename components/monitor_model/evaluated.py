"""The model in production on the rows that it was evaluated on: its scores and metrics there."""

from dataclasses import dataclass, field
from pathlib import Path

import pyarrow_hotfix  # noqa: F401
import numpy as np

from artifacts.evaluation.columns import Values
from artifacts.evaluation.live import LiveMetrics
from artifacts.evaluation.spec import EvaluationSpec
from artifacts.examples.names import EVAL
from artifacts.model import label as label_file
from artifacts.predictions.labels import LabelReader
from artifacts.predictions.predictor import Predictor
from artifacts.predictions.split import Splits
from artifacts.schema.schema_file import read_schema
from components.monitor_model.config import Config
from core.backends.registry import ModelVersion
from core.errors import CorruptArtifact, DataError
from problems import kind
from problems.labels import TrainedLabel

_BATCH = 8192


@dataclass(frozen=True)
class Evaluated:
    """What a model answered on the eval split."""

    label: TrainedLabel
    scores: Values
    """[rows] or [rows, classes]."""
    metrics: dict[str, float] = field(default_factory=dict)
    fault: str = ""
    """Why there are no metrics; empty when there are."""

    def scores_of(self, output: Values) -> Values:
        """Turn raw outputs of the model, [rows, outputs], into scores as these."""
        problem = kind(self.label.task)
        return problem.scores(problem.shaped(output, "the prediction log"), self.label.output).values


def evaluated(config: Config, version: ModelVersion, examples: Path, schema: Path) -> Evaluated:
    """Score the eval split; raises as `Predictor` and `Splits.blocks` do."""
    label = label_file.read(version.path) or TrainedLabel(config.label, config.task, output=config.model_output)
    predictor = Predictor(version.path, config.task)
    outputs, labels, fault = [], [], ""
    reader: LabelReader | None = None
    for block in Splits(examples, read_schema(schema)).blocks(EVAL, _BATCH):
        output = predictor(block.serialized)
        outputs.append(output)
        try:
            reader = reader or LabelReader(label, output.shape[1] if output.ndim == 2 else 2, version.path)
            labels.append(reader(block))
        except (CorruptArtifact, DataError) as error:  # a published version has no graph of a transformed label
            fault = str(error)
    scores = kind(config.task).scores(np.concatenate(outputs), label.output).values
    if fault:
        return Evaluated(label, scores, fault=fault)
    spec = EvaluationSpec(config.label, config.task, decision_threshold=config.decision_threshold)
    return Evaluated(label, scores, LiveMetrics(spec).numbers(np.concatenate(labels), scores))
