"""The container images that steps run in, by the dependency group they hold.

In a component an image is only a name. Compiling replaces it by a fixed reference: the name with the content tag, or
the digest that a registry returned for the push of that tag.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, get_args

from core.build_context import content_digest
from core.errors import MlopsError
from core.image_record import ImageRecord

Group = Literal["data", "serving", "tfx"]

GROUPS: tuple[Group, ...] = get_args(Group)
PREFIX = "ml-in-production/"
BASE = "python:3.11-slim"
"""What every target image is built from; kfp asks for it, and only an image build uses it."""


def image(group: Group) -> str:
    """Name of the image with one dependency group.

    `data` has Arrow alone, `tfx` the TFX libraries too, `serving` the model server.
    """
    return f"{PREFIX}{group}"


def tag() -> str:
    """Return the tag of all images: the first 16 hex digits of a digest of everything that is copied into them."""
    return tag_of(content_digest())


def tag_of(content: str) -> str:
    """Return the tag of images with this content digest."""
    return content.removeprefix("sha256:")[:16]


def reference(group: Group) -> str:
    """Return the local reference of an image with the current sources."""
    return f"{image(group)}:{tag()}"


def local_references() -> dict[str, str]:
    """Return the local reference of every image by its name."""
    current = tag()
    return {image(group): f"{image(group)}:{current}" for group in GROUPS}


def chosen_references(environment: Mapping[str, str], record: Path) -> dict[str, str] | None:
    """Return the references that environment variables choose, by image name; None for the local ones.

    MLOPS_IMAGE_REGISTRY chooses the images that were pushed there. MLOPS_IMAGE_REFERENCES has the references as JSON:
    a schedule passes them to the runs that it submits. Raises MlopsError as `pushed_references` does.
    """
    if given := environment.get("MLOPS_IMAGE_REFERENCES"):
        return dict(json.loads(given))
    registry = environment.get("MLOPS_IMAGE_REGISTRY")
    return pushed_references(registry, record) if registry else None


def pushed_references(registry: str, record: Path) -> dict[str, str]:
    """Return the references, by digest, of the images that were pushed to a registry; the keys are their names.

    Raises MlopsError when the current sources were not pushed there.
    """
    registry, current = registry.rstrip("/"), tag()
    digests = ImageRecord(record).pushed(registry, current)
    missing = [group for group in GROUPS if group not in digests]
    if missing:
        raise MlopsError(
            f"{record}: no digest in {registry} for {', '.join(missing)} with the tag {current}: "
            f"these sources were not pushed there; run `mlops images build`, then `mlops images push {registry}`"
        )
    return {image(group): f"{registry}/{image(group)}@{digests[group]}" for group in GROUPS}
