"""The `train_trial` section: how many trials of a tuning run at a time, where they are tasks of their own."""

from pydantic import Field

from core.settings import Settings


class Config(Settings):
    """How trials are run; what is tried is said by `tune_model`, and how models are trained by `train_model`."""

    at_once: int = Field(default=0, ge=0)
    """Most trials at a time; 0: as many as the cluster, or the laptop, has room for."""
