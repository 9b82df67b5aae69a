"""The models that score the same rows."""

from dataclasses import dataclass
from pathlib import Path

from artifacts.predictions.scoring_model import ScoringModel
from components.evaluate_model.config import Config
from problems.labels import TrainedLabel


@dataclass(frozen=True)
class Models:
    """The models that score the same rows."""

    candidate: ScoringModel
    champion: ScoringModel | None


def load_model(folder: Path, config: Config) -> ScoringModel:
    """Load a model; without a label file, it is taken to be trained on the raw label.

    Raises MlopsError when there is no SavedModel that takes serialized tf.Examples.
    """
    return ScoringModel.load(folder, TrainedLabel(config.label, config.task, output=config.model_output))
