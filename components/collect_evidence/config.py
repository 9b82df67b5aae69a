"""The `collect_evidence` section: no keys; `push_model` names what a release requires."""

from core.settings import Settings


class Config(Settings):
    """No keys."""
