"""The container images that steps run in, by the dependency group they hold.

At compile time an image is only a name. The name carries no tag here: `mlops compile` and the image build put the
content hash or the digest in its place, so that a moving tag can never change what a compiled pipeline runs.
"""

from typing import Literal

Group = Literal["data", "tfx"]

PREFIX = "ml-in-production/"
BASE = "python:3.11-slim"
"""What every target image is built from; kfp asks for it, and only an image build uses it."""


def image(group: Group) -> str:
    """Reference of the image that holds one dependency group: `data` has Arrow alone, `tfx` the TFX libraries too."""
    return f"{PREFIX}{group}"
