"""The `collect_evidence` section: there is nothing to choose; what a release requires is said under `push_model`."""

from core.settings import Settings


class Config(Settings):
    """No keys."""
