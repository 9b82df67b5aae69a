"""The label of a model: a file in the SavedModel, and a graph when the label is computed by the transform."""

import json
from pathlib import Path

from artifacts.model.names import EXTRA
from core import durable
from core.errors import CorruptArtifact
from problems.labels import TrainedLabel

LABEL_FILE = Path(EXTRA) / "label.json"
"""Inside the SavedModel, so that a published version has it."""
LABEL_GRAPH = "Label-Graph"
"""Folder beside the SavedModel: a SavedModel that computes the trained label from serialized tf.Examples."""
LABEL_OUTPUT = "label"


def write(saved_model: Path, label: TrainedLabel) -> None:
    """Write the label file atomically."""
    path = saved_model / LABEL_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    durable.replace(path, (json.dumps(label.to_json(), indent=2) + "\n").encode())


def read(saved_model: Path) -> TrainedLabel | None:
    """Read the label file; None when there is none, CorruptArtifact when it is invalid."""
    path = saved_model / LABEL_FILE
    if not path.is_file():
        return None
    try:
        return TrainedLabel.from_json(json.loads(path.read_bytes()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptArtifact(
            f"{path}: wanted the label as train_model writes it, got {type(error).__name__}: {error}; train again"
        ) from error
