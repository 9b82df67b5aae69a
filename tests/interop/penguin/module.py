"""The penguin template of TFX as it is installed, unchanged: its `preprocessing_fn` and its `run_fn`."""

from tfx.experimental.templates.penguin.models.model import run_fn
from tfx.experimental.templates.penguin.models.preprocessing import preprocessing_fn

__all__ = ["preprocessing_fn", "run_fn"]
