"""The model in production on the rows that it was evaluated on: its scores and metrics there."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pyarrow_hotfix  # noqa: F401
import numpy as np
from numpy.typing import NDArray

from artifacts.evaluation.columns import Values
from artifacts.evaluation.live import LiveMetrics
from artifacts.evaluation.spec import EvaluationSpec
from artifacts.examples.manifest import ExamplesManifest, Shard
from artifacts.examples.names import EVAL
from artifacts.model import label as label_file
from artifacts.predictions.labels import LabelReader
from artifacts.predictions.predictor import Predictor
from artifacts.predictions.split import Splits
from components.monitor_model.config import Config
from core.backends.registry import ModelVersion
from core.errors import CorruptArtifact, DataError
from core.problem import ModelOutput
from problems import kind
from problems.labels import TrainedLabel
from problems.scores import are_logits

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
    of_rows: int = 0
    """Rows of the whole split where the scores are those of a random sample; else 0."""

    def scores_of(self, output: Values, form: ModelOutput = "auto") -> Values:
        """Turn raw outputs of the model, [rows, outputs], into scores as these; `form` is what `auto` stands for."""
        problem = kind(self.label.task)
        declared = form if self.label.output == "auto" else self.label.output
        return problem.scores(problem.shaped(output, "the prediction log"), declared).values


class Answers(NamedTuple):
    """What a model answered on some rows."""

    outputs: Values
    """[rows] or [rows, outputs], as the model returns them."""
    labels: Values
    """[rows]; none where they cannot be read."""
    fault: str
    """Why they cannot; empty when they can."""

    def take(self, rows: NDArray[np.intp]) -> "Answers":
        """Return some of the rows alone."""
        return self._replace(outputs=self.outputs[rows], labels=self.labels[rows] if not self.fault else self.labels)


class Subject(NamedTuple):
    """What is scored: the version in production, where workers find it, and the examples that it was evaluated on."""

    version: ModelVersion
    registry: str
    splits: Splits

    @property
    def model(self) -> Path:
        """The model's folder on this machine."""
        return Path(self.version.path)


class InProduction:
    """The model in production, which answers shards of examples."""

    def __init__(self, config: Config, model: Path, splits: Splits) -> None:
        """Load it; raises as `Predictor` does."""
        self._splits, self._model = splits, model
        self.label = label_of(config, model)
        self._predictor = Predictor(model, config.task)
        self._reader: LabelReader | None = None

    def answers(self, shard: Shard) -> Answers | None:
        """Predict the rows of a shard, None for one without rows; raises as `Predictor` and `Splits.blocks` do."""
        outputs, labels, fault = [], [], ""
        for block in self._splits.shard_blocks(shard, _BATCH):
            output = self._predictor(block.serialized)
            outputs.append(output)
            try:
                width = output.shape[1] if output.ndim == 2 else 2
                self._reader = self._reader or LabelReader(self.label, width, self._model)
                labels.append(self._reader(block))
            except (CorruptArtifact, DataError) as error:  # a published version has no graph of a transformed label
                fault = str(error)
        if not outputs:
            return None
        return Answers(np.concatenate(outputs), np.zeros(0) if fault else np.concatenate(labels), fault)


def label_of(config: Config, model: Path) -> TrainedLabel:
    """Return the label that a model was trained on; without a label file, the raw one."""
    return label_file.read(model) or TrainedLabel(config.label, config.task, output=config.model_output)


def evaluated(config: Config, subject: Subject) -> Evaluated:
    """Score the eval split in this process; raises as `Predictor` and `Splits.blocks` do."""
    in_production = InProduction(config, subject.model, subject.splits)
    manifest = ExamplesManifest.read(subject.splits.folder)
    found = (in_production.answers(shard) for shard in manifest.of_split(EVAL))
    return summed_up(config, in_production.label, [one for one in found if one is not None])


def summed_up(
    config: Config, label: TrainedLabel, parts: Sequence[Answers], form: ModelOutput = "auto", of_rows: int = 0
) -> Evaluated:
    """Compute scores and metrics of the rows of all parts; of a sample, `form` is what `auto` stands for."""
    declared = form if label.output == "auto" else label.output
    scores = kind(config.task).scores(np.concatenate([part.outputs for part in parts]), declared).values
    if fault := next((part.fault for part in reversed(parts) if part.fault), ""):
        return Evaluated(label, scores, fault=fault, of_rows=of_rows)
    spec = EvaluationSpec(config.label, config.task, decision_threshold=config.decision_threshold)
    numbers = LiveMetrics(spec).numbers(np.concatenate([part.labels for part in parts]), scores)
    return Evaluated(label, scores, numbers, of_rows=of_rows)


def form_of(*, is_outside: bool) -> ModelOutput:
    """Return what `auto` stands for, by whether any output of all rows is outside [0, 1]."""
    return "logits" if is_outside else "probabilities"


def is_outside(output: Values) -> bool:
    """Whether an output is outside [0, 1]."""
    return are_logits(output, "auto")
