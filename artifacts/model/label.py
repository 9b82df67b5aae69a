"""The label's facts beside a SavedModel, and the label's own graph where only the transform can say it."""

import json
from pathlib import Path

from artifacts.model.names import EXTRA
from core import durable
from core.errors import CorruptArtifact
from problems.labels import TrainedLabel

LABEL_FILE = Path(EXTRA) / "label.json"
"""Below the SavedModel, so that a published version keeps it."""
LABEL_GRAPH = "Label-Graph"
"""Beside the SavedModel: a SavedModel from serialized tf.Examples to the label that the model was trained on."""
LABEL_OUTPUT = "label"


def write(saved_model: Path, label: TrainedLabel) -> None:
    """Write the label's facts atomically."""
    path = saved_model / LABEL_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    durable.replace(path, (json.dumps(label.to_json(), indent=2) + "\n").encode())


def read(saved_model: Path) -> TrainedLabel | None:
    """Read the label's facts; None for a model without them, CorruptArtifact for a file that is something else."""
    path = saved_model / LABEL_FILE
    if not path.is_file():
        return None
    try:
        return TrainedLabel.from_json(json.loads(path.read_bytes()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptArtifact(
            f"{path}: wanted the label as train_model writes it, got {type(error).__name__}: {error}; train again"
        ) from error
