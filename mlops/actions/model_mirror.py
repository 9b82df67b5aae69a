"""Vertex AI's Model Registry as a mirror of ours: what is missing is uploaded, and the aliases follow.

Ours is the truth, since Vertex AI moves aliases without looking at what they were. Nothing is removed there.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from core.backends.registry import ModelVersion, Registry
from core.errors import CorruptArtifact, MlopsError
from mlops.worlds.vertex import api
from mlops.worlds.vertex.model_spec import (
    CHAMPION,
    DEFAULT,
    Mirrored,
    alias,
    digest_label,
    image_label,
    known,
    model_id,
    upload_request,
)
from mlops.worlds.vertex.models_api import ModelsApi, Unclear
from mlops.worlds.vertex.operations import Progress

_TRIES = 5


@dataclass
class Synced:
    """What a sync did to one model."""

    name: str
    uploaded: list[int] = field(default_factory=list)
    unchanged: list[int] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    """Aliases that were moved, such as `champion to version 3`."""
    unknown: list[int] = field(default_factory=list)
    """Versions that only the mirror has; they stay."""
    failed: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        """Whether anything was done."""
        return bool(self.uploaded or self.moved)


@dataclass(frozen=True)
class Mirror:
    """The mirror of one registry in an object store."""

    api: ModelsApi
    registry: Registry
    image: Callable[[], str]
    """Returns the serving image by its digest, for versions that are uploaded; MlopsError where it was not pushed."""
    progress: Progress

    def sync(self, name: str) -> Synced:
        """Bring the mirror of a model up to date; what fails is listed, and the rest is done all the same."""
        done = Synced(name)
        try:
            versions = self.registry.versions(name)
            found = self._known(name)
        except MlopsError as error:
            done.failed.append(str(error))
            return done
        for version in versions:
            try:
                before = found.get(version.version)
                self.ensure(version, before, any_image=True)
                (done.unchanged if before else done.uploaded).append(version.version)
            except MlopsError as error:
                done.failed.append(f"version {version.version}: {error}")
        done.unknown = sorted(found.keys() - {version.version for version in versions})
        try:
            done.moved = self.align(name)
        except MlopsError as error:
            done.failed.append(f"aliases: {error}")
        return done

    def ensure(self, version: ModelVersion, before: Mirrored | None = None, *, any_image: bool = False) -> Mirrored:
        """Return a version's mirror, uploaded where it is missing; with this code's image unless `any_image`.

        Raises CorruptArtifact when the number is another model there.
        """
        deadline = time.monotonic() + api.PATIENCE_SECONDS
        pause = api.FIRST_PAUSE
        found = before or self._known(version.name).get(version.version)
        while not self._fits(found, version, any_image=any_image):
            self.progress(f"uploading {version.name} version {version.version}")
            try:
                self.api.upload(upload_request(version, self.image(), self._parent(version.name)), self.progress)
            except Unclear as error:
                if time.monotonic() > deadline:
                    raise
                self.progress(f"{error}; looking whether it was done")
                time.sleep(pause)
                pause *= 2
            else:
                deadline = 0.0  # one upload is enough: what is not listed after it is not uploaded again
            found = self._known(version.name).get(version.version)
            if deadline == 0.0 and not self._fits(found, version, any_image=any_image):
                raise MlopsError(
                    f"{version.name} version {version.version}: uploaded, but not listed yet; run it again"
                )
        assert found is not None
        return found

    def align(self, name: str) -> list[str]:
        """Give each alias to the version that our registry names, and return what was moved."""
        moved: list[str] = []
        for _ in range(_TRIES):
            champion = self.registry.pointer(name)
            done = self._align(name, champion.version if champion else None)
            moved += done
            if self.registry.pointer(name) == champion:
                return moved
        raise MlopsError(f"{name}: the version in production moved {_TRIES} times meanwhile; run it again")

    def _align(self, name: str, champion: int | None) -> list[str]:
        moved = []
        for number, one in self._known(name).items():
            wanted = {alias(number)} | ({CHAMPION, DEFAULT} if number == champion else set())
            added = sorted(wanted - one.aliases)
            removed = sorted({CHAMPION} & one.aliases - wanted) if champion is None else []
            if added or removed:
                self.api.merge_aliases(one.name, [*added, *(f"-{text}" for text in removed)])
            moved += [f"{text} to version {number}" for text in added]
            moved += [f"{text} away from version {number}" for text in removed]
        return moved

    def _fits(self, found: Mirrored | None, version: ModelVersion, *, any_image: bool) -> bool:
        if found is None:
            return False
        if found.digest != digest_label(version.digest):
            raise CorruptArtifact(
                f"{found.name}: wanted {version.digest}, got a model of the digest {found.digest}: the number "
                f"{version.version} was used for another one; remove that version in Vertex AI, then sync again"
            )
        return any_image or found.image == image_label(self.image())

    def _parent(self, name: str) -> str | None:
        identity = model_id(name)
        return self.api.name(identity) if self.api.versions(identity) else None

    def _known(self, name: str) -> dict[int, Mirrored]:
        return known(self.api.versions(model_id(name)))
