"""The names of the folders and files of a trained model; no other module has them."""

from pathlib import Path

SERVING = "Format-Serving"
"""Folder of the SavedModel in a trained model, as in TFX; a registry publishes this folder."""
EVALUATION = "Format-TFMA"
"""Folder of a SavedModel that is exported for TFMA alone, as in TFX."""
GRAPH = "saved_model.pb"
EXTRA = "assets.extra"
"""Folder in the SavedModel with files that TensorFlow ignores."""
FEATURES = f"{EXTRA}/features.json"
"""The raw features that the model takes."""
WARM_UP_ROWS = f"{EXTRA}/warm_up_rows.jsonl"
"""Real raw rows for a server's warm-up, one JSON object per line."""
BACKGROUND_ROWS = f"{EXTRA}/background_rows.jsonl"
"""Raw rows of the training that explanations begin with, one JSON object per line."""
WARM_UP_REQUESTS = f"{EXTRA}/tf_serving_warmup_requests"
"""The same rows for TensorFlow Serving's own warm-up."""
WEIGHTS = f"{EXTRA}/weights.npz"
"""Every weight by its path in the Keras model."""
TFLITE = "Format-TFLite"
"""Folder in the SavedModel's folder with the model for devices: TensorFlow ignores it, a version's digest covers it."""
TRAINING = "training.json"
"""Metrics of the training, beside the SavedModel's folder."""
CHECKPOINT = "checkpoint.npz"
"""Exists during a training, and is removed when the model is exported."""


def find_saved_model(folder: Path) -> Path | None:
    """Find the SavedModel in a trained model's folder or in a published version; None when there is none."""
    return next((path for path in (folder / SERVING, folder) if (path / GRAPH).is_file()), None)
