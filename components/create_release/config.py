"""The `create_release` section: what goes through the environments together."""

from typing import Literal

from core.settings import Settings


class Config(Settings):
    """What a release has in it."""

    promotes: Literal["model", "code"] = "model"
    """`model`: the trained model goes with its code to the last environment. `code`: the code alone does, and each
    environment trains its own model on its own data; the model of the first is a trial."""
