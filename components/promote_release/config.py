"""The `promote_release` section, which has no keys; the file of the environments says what each demands."""

from core.settings import Settings


class Config(Settings):
    """No keys."""
