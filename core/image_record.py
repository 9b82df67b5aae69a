"""The record of the images that this machine built and pushed: the store's `images.json`.

It has sizes, the digests of bills of materials, and the pushed digests by registry and tag.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.durable import replace
from core.errors import MlopsError


@dataclass(frozen=True)
class BuiltImage:
    """One image as it was built."""

    id: str
    size: int
    """In bytes."""
    seconds: float
    """How long the build took."""
    sbom: str
    """Digest of its bill of materials, which is also the name of that file."""


class ImageRecord:
    """The file, read again by every method; it need not exist yet.

    Every method raises MlopsError when the file is not JSON.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def add_built(self, tag: str, group: str, built: BuiltImage) -> None:
        """Record an image that was built."""
        self._add("built", tag, group, asdict(built))

    def add_pushed(self, registry: str, tag: str, group: str, digest: str) -> None:
        """Record the digest that a registry returned for a push."""
        self._add(f"pushed to {registry}", tag, group, digest)

    def sboms(self, tag: str) -> dict[str, str]:
        """Return the digest of the bill of materials of each group's image that was built here with a tag."""
        return {group: built["sbom"] for group, built in self._read().get("built", {}).get(tag, {}).items()}

    def pushed(self, registry: str, tag: str) -> dict[str, str]:
        """Return the digest of each group's image that was pushed to a registry under a tag."""
        return dict(self._read().get(f"pushed to {registry}", {}).get(tag, {}))

    def _add(self, section: str, tag: str, group: str, value: Any) -> None:
        record = self._read()
        record.setdefault(section, {}).setdefault(tag, {})[group] = value
        self.path.parent.mkdir(parents=True, exist_ok=True)
        replace(self.path, (json.dumps(record, indent=2, sort_keys=True) + "\n").encode())

    def _read(self) -> dict[str, Any]:
        try:
            record = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise MlopsError(
                f"{self.path}: wanted the record of images as JSON, got {error}; "
                "remove the file, then build and push again"
            ) from error
        assert isinstance(record, dict)
        return record
