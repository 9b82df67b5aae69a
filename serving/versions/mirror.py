"""Mirrors a remote registry into a local folder, from which the workers of this machine serve.

The folder is laid out as a local registry. Versions appear in it atomically, and the pointer moves only to one that is
complete.
"""

import logging
import random
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, NoReturn, Protocol

from core import durable
from core.backends.local_registry import LocalRegistry
from core.backends.pointer import Pointer
from core.backends.production import Production
from core.backends.registry import ModelVersion
from core.errors import CorruptArtifact, MlopsError
from serving.metrics import Metrics
from serving.versions import mirror_progress
from serving.versions.mirror_progress import Progress
from serving.versions.retry import Retry

_LOG = logging.getLogger("serving")


class Remote(Protocol):
    """What a mirror needs of the registry that it follows."""

    def names(self) -> list[str]:
        """Return the names that hold a version."""

    def numbers(self, name: str) -> list[int]:
        """Return the versions of a name in order, without reading them."""

    def state(self, name: str) -> Production:
        """Return what is in production, and which canary runs, without reading the versions."""

    def get(self, name: str, version: int) -> ModelVersion:
        """Copy a version into the folder atomically, or check its copy; CorruptArtifact if the store's is damaged."""


@dataclass(frozen=True)
class Following:
    """Which registry and models are followed, and how often they are polled."""

    store: str
    """The registry's address, for messages."""
    names: tuple[str, ...] = ()
    """The models to follow; all that are in production when empty."""
    seconds: float = 1.0
    """Time between two polls."""
    others: int = 2
    """How many of the newest versions are kept besides the champion; as many as the server loads."""
    longest_seconds: float = 30.0
    """Longest time between two tries while the store does not answer."""
    retry: Retry = field(default_factory=Retry)
    """When a version that is incomplete in the store is tried again."""


class _Refused(NamedTuple):
    """An incomplete version: how often it was tried, and when it is tried again, as `time.monotonic` counts."""

    failures: int
    until: float


class Mirror:
    """Mirrors one registry into one folder, of which it is the only writer."""

    def __init__(self, remote: Remote, folder: Path, metrics: Metrics, following: Following) -> None:
        self._remote = remote
        self._local = LocalRegistry(folder)
        self._folder = folder
        self._metrics = metrics
        self._following = following
        self._here: dict[tuple[str, int], str] = {}
        """Digests of the versions whose copies were checked."""
        self._refused: dict[tuple[str, int], _Refused] = {}
        self._failures = 0

    def run(self, wait: Callable[[float], object] = time.sleep) -> NoReturn:
        """Poll forever."""
        while True:
            wait(self.poll())

    def poll(self) -> float:
        """Poll the store once and return the seconds until the next poll; a store that does not answer is no error."""
        progress = mirror_progress.read(self._folder)
        try:
            for name in self._following.names or self._remote.names():
                self._follow(name)
        except Exception as error:
            # The mirror must survive any failure of the store or the network; the copied versions stay served.
            return self._failed(progress, error)
        if progress != Progress():
            mirror_progress.write(self._folder, Progress())
            _LOG.info("%s: everything in production has been copied", self._following.store)
        self._failures = 0
        self._metrics.mirror_seen.labels(self._following.store).set(time.time())
        return self._following.seconds

    def _failed(self, progress: Progress, error: Exception) -> float:
        store = self._following.store
        trouble = (
            f"{store} cannot be read: {error if isinstance(error, MlopsError) else f'{type(error).__name__}: {error}'}"
        )
        if self._failures == 0:
            _LOG.error("%s; serving the versions copied so far, and trying again", trouble)
        if progress.trouble != trouble:
            mirror_progress.write(self._folder, Progress(progress.whole, trouble))
        self._metrics.mirror_failures.labels(store).inc()
        self._failures += 1
        longest = min(self._following.longest_seconds, self._following.seconds * 2.0 ** min(self._failures, 16))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 - so that many servers do not retry at once

    def _follow(self, name: str) -> None:
        """Copy the champion first, point to it, and only then copy the others and remove what is no longer kept."""
        state = self._remote.state(name)
        pointer, canary = state.champion, state.canary
        if pointer is None:
            return
        champion = pointer if self._has(name, pointer, "in production") else None
        # The end of a canary is followed in any case, its beginning only with its version and its champion.
        follows = canary is None or (champion is not None and self._has(name, canary.to, "a canary"))
        self._local.follow(name, champion, state.rollouts if follows else None)
        newest = self._remote.numbers(name)[-self._following.others :] if self._following.others else []
        for version in newest:
            self._bring(name, version)
        self._prune(name, keep={pointer.version, *newest, *([canary.to.version] if canary else [])})

    def _has(self, name: str, pointer: Pointer, what: str) -> bool:
        """Copy a version, and return whether it is the one that the pointer names."""
        self._bring(name, pointer.version)
        digest = self._here.get((name, pointer.version))
        if digest is not None and digest != pointer.digest:
            self._refuse(name, pointer.version, f"{pointer.digest} is {what}, but the store holds {digest}")
        return digest == pointer.digest

    def _bring(self, name: str, version: int) -> None:
        """Copy a version, unless its copy was checked already."""
        key = (name, version)
        if key in self._here or (key in self._refused and time.monotonic() < self._refused[key].until):
            return
        try:
            self._here[key] = self._remote.get(name, version).digest
        except CorruptArtifact as error:
            self._refuse(name, version, str(error))
            return
        self._metrics.mirrored.labels(name).inc()
        _LOG.info("%s: version %d is copied", name, version)

    def _refuse(self, name: str, version: int, why: str) -> None:
        """Remove the copy of an incomplete version, and note when to try it again."""
        key = (name, version)
        _LOG.error("%s: version %d is not copied, the versions copied so far are served: %s", name, version, why)
        self._metrics.mirror_refused.labels(name, str(version)).inc()
        failures = self._refused[key].failures + 1 if key in self._refused else 1
        self._refused[key] = _Refused(failures, time.monotonic() + self._following.retry.pause(failures))
        self._here.pop(key, None)
        self._remove(name, version)

    def _prune(self, name: str, keep: set[int]) -> None:
        champion = self._local.pointer(name)
        keep = keep | ({champion.version} if champion else set())
        for version in self._local.numbers(name):
            if version not in keep:
                self._remove(name, version)
                self._here.pop((name, version), None)
                self._refused.pop((name, version), None)
                _LOG.info("%s: version %d is removed, it is no longer served", name, version)

    def _remove(self, name: str, version: int) -> None:
        """Remove a version's folder atomically: renamed first, so that a killed process leaves no partial version."""
        folder = self._folder / name / str(version)
        if folder.exists():
            aside = folder.with_name(f"{durable.STAGING}gone-{version}")
            shutil.rmtree(aside, ignore_errors=True)
            folder.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)
