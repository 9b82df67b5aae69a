"""What was built and pushed on this machine, in the store's `images.json`.

It holds sizes, bills of materials, and digests by registry and tag.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.durable import replace
from core.errors import MlopsError


@dataclass(frozen=True)
class Built:
    """An image that was built: its id, its size in bytes, and the digest that names its bill of materials."""

    id: str
    size: int
    seconds: float
    sbom: str


class ImageRecord:
    """The file, read for each question; it need not exist yet."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add_built(self, tag: str, group: str, built: Built) -> None:
        """Note an image that was built."""
        self._add("built", tag, group, asdict(built))

    def add_pushed(self, registry: str, tag: str, group: str, digest: str) -> None:
        """Note the digest that a registry gave."""
        self._add(f"pushed to {registry}", tag, group, digest)

    def pushed(self, registry: str, tag: str) -> dict[str, str]:
        """Return the digests, by group, of what a registry got under a tag."""
        return dict(self._read().get(f"pushed to {registry}", {}).get(tag, {}))

    def _add(self, chapter: str, tag: str, group: str, value: Any) -> None:
        known = self._read()
        known.setdefault(chapter, {}).setdefault(tag, {})[group] = value
        self.path.parent.mkdir(parents=True, exist_ok=True)
        replace(self.path, (json.dumps(known, indent=2, sort_keys=True) + "\n").encode())

    def _read(self) -> dict[str, Any]:
        try:
            known = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise MlopsError(
                f"{self.path}: wanted the record of images as JSON, got {error}; "
                "remove the file, then build and push again"
            ) from error
        assert isinstance(known, dict)
        return known
