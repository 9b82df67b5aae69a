"""The models that an environment runs, as a registry that a model server follows: `env://<environment>@<store>`.

The champion is the model of the release that the environment's log points to; the versions are those of the registry
beside the releases. It is moved by `mlops release promote` and `mlops release rollback` alone.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from core import digest
from core.backends.manifest import Manifest
from core.backends.numbered_log import NumberedLog
from core.backends.places import open_place
from core.backends.pointer import Pointer
from core.backends.production import Production
from core.backends.production_registry import ProductionRegistry, checked_name
from core.backends.registry import ModelVersion, open_registry
from core.backends.version_cache import VersionCache
from core.errors import CorruptArtifact, NoSuchObject, RegistryError


class EnvironmentRegistry(ProductionRegistry):
    """Reads what an environment runs; `Registry` documents the methods."""

    def __init__(self, root: str, cache: Path | None = None) -> None:
        super().__init__(lambda: datetime.now(UTC))
        self._environment, separator, store = root.removeprefix("env://").partition("@")
        if not separator or not self._environment or not store:
            raise RegistryError(f"wanted env://<environment>@<folder or address of a store>, got {root!r}")
        self._place = open_place(f"{store}/releases")
        self._models = open_registry(f"{store}/models", cache)
        self._cache = VersionCache(root, cache) if cache else None

    @classmethod
    def opened(cls, root: str, cache: Path | None) -> "EnvironmentRegistry":
        """Open the environment at an address."""
        return cls(root, cache)

    def names(self) -> list[str]:
        """Return the models that the environment runs or ran."""
        return self._place.names(f"environments/{self._environment}")

    def numbers(self, name: str) -> list[int]:
        """Return the number of the version that the environment runs, and no other."""
        champion = self._production(name).champion
        return [champion.version] if champion else []

    def versions(self, name: str) -> list[ModelVersion]:
        """Return the version that the environment runs, if it is intact."""
        found = (self._get_if_intact(name, number) for number in self.numbers(name))
        return [version for version in found if version is not None]

    def get(self, name: str, version: int) -> ModelVersion:
        """Return a version after checking every byte; with a cache, a copy there, also of a local model."""
        found = self._models.get(name, version)
        if self._cache is None:
            return found
        manifest = Manifest.read(found.path)
        sizes = {file: (found.path / file).stat().st_size for file in manifest.files}
        path = self._cache.fetch(manifest, sizes, lambda file, target: _copied(found.path / file, target))
        return ModelVersion(name, version, path, found.digest, found.created, found.about, found.address)

    def problems(self, name: str) -> list[str]:
        """List what is wrong with what the environment runs."""
        try:
            self.champion(name)
        except (CorruptArtifact, RegistryError) as error:
            return [f"in production: {error}"]
        return []

    def check_writable(self, name: str) -> NoReturn:
        """Refuse: an environment is moved by releases."""
        self._refuse(name)

    def publish(self, name: str, _saved_model: Path, _about: Mapping[str, Any]) -> NoReturn:
        """Refuse: an environment is moved by releases."""
        self._refuse(name)

    def discard(self, name: str, _version: int) -> NoReturn:
        """Refuse: an environment is moved by releases."""
        self._refuse(name)

    def sign(self, name: str, _version: int) -> NoReturn:
        """Refuse: an environment is moved by releases."""
        self._refuse(name)

    def _checked(self, name: str, version: int, _manifest: Manifest) -> ModelVersion:
        return self.get(name, version)

    def _rewrite(self, manifest: Manifest) -> NoReturn:
        self._refuse(manifest.name)

    def _manifest(self, name: str, version: int) -> Manifest:
        return Manifest.read(self._models.get(name, version).path)

    def _production(self, name: str) -> Production:
        log = NumberedLog(self._place, f"environments/{self._environment}/{checked_name(name)}")
        number, content = log.latest()
        if not number:
            return Production()
        try:
            release = str(json.loads(content)["release"])
            model = json.loads(self._record(release))["model"]
            return Production(Pointer(int(model["version"]), str(model["digest"])) if model else None)
        except (ValueError, KeyError, TypeError) as error:
            raise CorruptArtifact(f"{log.address(number)}: wanted a pointer to a release, got {error}") from None

    def _record(self, release: str) -> bytes:
        name = f"records/{release.removeprefix('sha256:')}.json"
        try:
            content = self._place.read(name)
        except NoSuchObject as error:
            raise CorruptArtifact(f"{self._environment} runs a release that is missing: {error}") from None
        if digest.of_bytes(content) != release:
            raise CorruptArtifact(f"{self._place.address}/{name}: wanted the release {release}: the record was changed")
        return content

    def _move(self, name: str, _move: Callable[[Production], Production]) -> NoReturn:
        self._refuse(name)

    def _refuse(self, name: str) -> NoReturn:
        raise RegistryError(
            f"{self._environment}: an environment runs releases; move {name} with `mlops release promote` or "
            "`mlops release rollback`"
        )


def _copied(source: Path, target: Path) -> str:
    shutil.copyfile(source, target)
    return digest.of_file(target)
