"""The `push_model` section: what happens to a model that has passed every gate."""

from core.settings import Settings


class Config(Settings):
    """How a model is released."""

    promote: bool = True
    """Whether the published version takes production at once; without it, a person's `mlops models push` does."""
