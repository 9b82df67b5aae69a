"""The names that a trained model has: its folders and files, spelled here and nowhere else."""

from pathlib import Path

SERVING = "Format-Serving"
"""Folder of the SavedModel below a trained model, as TFX has it; this folder is what a registry publishes."""
EVALUATION = "Format-TFMA"
"""Folder of a model that is exported for TFMA alone, as TFX has it."""
GRAPH = "saved_model.pb"
EXTRA = "assets.extra"
"""Folder, below the SavedModel, of what TensorFlow does not read itself."""
FEATURES = f"{EXTRA}/features.json"
"""Which rows the model takes."""
WARM_UP_ROWS = f"{EXTRA}/warm_up_rows.jsonl"
"""Real raw rows, one JSON object a line, with which a server warms up."""
WARM_UP_REQUESTS = f"{EXTRA}/tf_serving_warmup_requests"
"""The same rows for TensorFlow Serving's own warm-up."""
WEIGHTS = f"{EXTRA}/weights.npz"
"""Every weight by its path in the Keras model."""
TRAINING = "training.json"
"""How the training went, beside the SavedModel's folder."""
CHECKPOINT = "checkpoint.npz"
"""There while a training runs; it is gone when the model is exported."""


def find_saved_model(folder: Path) -> Path | None:
    """Find the SavedModel in a trained model's folder or in a published version; None when there is none."""
    return next((path for path in (folder / SERVING, folder) if (path / GRAPH).is_file()), None)
