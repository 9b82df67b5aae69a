"""The taxi template of TFX as it is installed, unchanged: its `preprocessing_fn` and its `run_fn`."""

from tfx.experimental.templates.taxi.models.keras_model.model import run_fn
from tfx.experimental.templates.taxi.models.preprocessing import preprocessing_fn

__all__ = ["preprocessing_fn", "run_fn"]
