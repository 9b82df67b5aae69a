"""Keeps a folder in step with a registry that lies elsewhere; the workers of this machine serve from the folder and know of no store.

The folder is laid out as a local registry. A version is there whole or not at all, and the pointer moves only to one that is there.
"""

import logging
import random
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, Protocol

from core import durable
from core.backends.local_registry import LocalRegistry
from core.backends.registry import ModelVersion, Pointer
from core.errors import CorruptArtifact, MlopsError
from serving.metrics import Metrics
from serving.versions import mirror_progress
from serving.versions.mirror_progress import Progress

_LOG = logging.getLogger("serving")


class Remote(Protocol):
    """What a mirror asks of the registry that it follows."""

    def names(self) -> list[str]:
        """Return the names that hold a version."""

    def numbers(self, name: str) -> list[int]:
        """Return the versions of a name in order, without reading them."""

    def pointer(self, name: str) -> Pointer | None:
        """Return what is in production, cheaply."""

    def get(self, name: str, version: int) -> ModelVersion:
        """Bring a version into the folder whole, or check the copy that is there; CorruptArtifact when the store does not hold all of it."""


@dataclass(frozen=True)
class Following:
    """What is followed, and how closely."""

    store: str
    """The registry's address, for people."""
    names: tuple[str, ...] = ()
    """The models to follow; all that are in production when empty."""
    seconds: float = 1.0
    """Time between two looks."""
    others: int = 2
    """How many of the newest versions are kept beside the champion; as many as the server loads."""
    longest_seconds: float = 30.0
    """Longest time between two tries while the store does not answer."""
    retry_seconds: float = 60.0
    """A version that is not whole in the store is tried again after this."""


class Mirror:
    """Follows one registry into one folder; nobody else may write there."""

    def __init__(self, remote: Remote, folder: Path, metrics: Metrics, following: Following) -> None:
        self._remote = remote
        self._local = LocalRegistry(folder)
        self._folder = folder
        self._metrics = metrics
        self._following = following
        self._here: dict[tuple[str, int], str] = {}
        """The versions whose bytes were checked here, with their digests."""
        self._refused: dict[tuple[str, int], float] = {}
        """When a version that was not whole is tried again."""
        self._failures = 0

    def run(self, wait: Callable[[float], object] = time.sleep) -> NoReturn:
        """Follow for ever."""
        while True:
            wait(self.look())

    def look(self) -> float:
        """Look at the store once and return the seconds to wait before the next look; a store that does not answer is no error."""
        progress = mirror_progress.read(self._folder)
        try:
            for name in self._following.names or self._remote.names():
                self._follow(name)
        except Exception as error:
            # The mirror must outlive anything that a store and a network can do; what is here goes on being served.
            return self._failed(progress, error)
        if progress != Progress():
            mirror_progress.write(self._folder, Progress())
            _LOG.info("%s: all that is in production is here", self._following.store)
        self._failures = 0
        self._metrics.mirror_seen.labels(self._following.store).set(time.time())
        return self._following.seconds

    def _failed(self, progress: Progress, error: Exception) -> float:
        store = self._following.store
        trouble = (
            f"{store} cannot be read: {error if isinstance(error, MlopsError) else f'{type(error).__name__}: {error}'}"
        )
        if self._failures == 0:
            _LOG.error("%s; what is here is served, and it is tried again", trouble)
        if progress.trouble != trouble:
            mirror_progress.write(self._folder, Progress(progress.whole, trouble))
        self._metrics.mirror_failures.labels(store).inc()
        self._failures += 1
        longest = min(self._following.longest_seconds, self._following.seconds * 2.0 ** min(self._failures, 16))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 - so that many servers do not come back at one time

    def _follow(self, name: str) -> None:
        """Bring the champion first, point to it, and only then bring the others and let go of what is not wanted."""
        pointer = self._remote.pointer(name)
        if pointer is None:
            return
        self._bring(name, pointer.version)
        digest = self._here.get((name, pointer.version))
        if digest is not None and digest != pointer.digest:
            self._refuse(name, pointer.version, f"in production is {pointer.digest}, but the store holds {digest}")
        elif digest is not None and self._local.pointer(name) != pointer:
            self._local.promote(name, pointer.version)
        newest = self._remote.numbers(name)[-self._following.others :] if self._following.others else []
        for version in newest:
            self._bring(name, version)
        self._prune(name, keep={pointer.version, *newest})

    def _bring(self, name: str, version: int) -> None:
        """Bring a version that is not known to be here."""
        key = (name, version)
        if key in self._here or time.monotonic() < self._refused.get(key, 0.0):
            return
        try:
            self._here[key] = self._remote.get(name, version).digest
        except CorruptArtifact as error:
            self._refuse(name, version, str(error))
            return
        self._metrics.mirrored.labels(name).inc()
        _LOG.info("%s: version %d is here", name, version)

    def _refuse(self, name: str, version: int, why: str) -> None:
        """Leave a version that is not whole in the store, and nothing of it here."""
        key = (name, version)
        _LOG.error("%s: version %d is not mirrored, what is here is served: %s", name, version, why)
        self._metrics.mirror_refused.labels(name, str(version)).inc()
        self._refused[key] = time.monotonic() + self._following.retry_seconds
        self._here.pop(key, None)
        self._remove(name, version)

    def _prune(self, name: str, keep: set[int]) -> None:
        champion = self._local.pointer(name)
        keep = keep | ({champion.version} if champion else set())
        for version in self._local.numbers(name):
            if version not in keep:
                self._remove(name, version)
                self._here.pop((name, version), None)
                _LOG.info("%s: version %d is no longer wanted here", name, version)

    def _remove(self, name: str, version: int) -> None:
        """Take a version's folder away at once; what is left of it has no version's name, and the next write removes it."""
        folder = self._folder / name / str(version)
        if folder.exists():
            aside = folder.with_name(f"{durable.STAGING}gone-{version}")
            shutil.rmtree(aside, ignore_errors=True)
            folder.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)
