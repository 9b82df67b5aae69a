"""The `collect_evidence` section, which has no keys; `push_model` names the gates that a release requires."""

from core.settings import Settings


class Config(Settings):
    """No keys."""
