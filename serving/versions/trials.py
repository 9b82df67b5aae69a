"""The canaries of one worker: when a split begins and ends, and what counts it."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from core.errors import MlopsError, RegistryError
from serving.versions.loaded import ServedModel
from serving.versions.shelf import Published
from serving.versions.split import Split, Trial

_LOG = logging.getLogger("serving")
_MARK = "/canary"
"""Follows a model's name in what workers agree on: the number is the stage of the split, 0 for none."""
_CHECK_SECONDS = 0.5


class LoadWatch(Trial, Protocol):
    """A trial that is also told how loading the canary goes."""

    def loads(self, *, begins: bool) -> None:
        """Note that this process begins or ends to load the canary."""

    def failed_to_load(self) -> None:
        """Note that the canary could not be loaded."""

    def is_deadly(self) -> bool:
        """Whether so many processes have ended with the canary that another one must not load it."""


MakeTrial = Callable[[str, Split], LoadWatch]


class Trials:
    """Begins a split when all workers have loaded its version, and ends it as soon as this worker knows.

    What is not said otherwise is called by the model manager's own thread.
    """

    def __init__(self, make: MakeTrial | None, check: Callable[[], None]) -> None:
        self._make = make
        self._check = check
        self._made: dict[str, tuple[Split, LoadWatch]] = {}
        self._replaced: list[tuple[str, Split, LoadWatch]] = []
        """Those that may still be in force."""
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    def offer(self, name: str, model: ServedModel, published: Published) -> None:
        """Note what the registry asks for; the counting begins before the canary is loaded."""
        model.offered = published.canary
        if name in self._made and self._made[name][0] != model.offered:
            self._replaced.append((name, *self._made.pop(name)))
        for old in [old for old in self._replaced if old[0] == name and old[1] != model.split]:
            self._replaced.remove(old)
            old[2].close()  # late answers still have it, and are counted nowhere
        if model.offered is not None and name not in self._made:
            if self._make is not None and model.offered.percent:
                self._made[name] = (model.offered, self._make(name, model.offered))
            self._start()

    @contextmanager
    def loading(self, name: str, version: int) -> Iterator[None]:
        """Count how the loading of a version goes, if it is a canary."""
        split, trial = self._made.get(name, (None, None))
        if trial is None or split is None or split.version != version:
            yield
            return
        if trial.is_deadly():
            trial.failed_to_load()
            raise RegistryError(f"{name}: version {version} ended other workers while they loaded or answered with it")
        trial.loads(begins=True)
        try:
            yield
        except (MlopsError, OSError):
            trial.failed_to_load()
            raise
        finally:
            trial.loads(begins=False)

    def proposal(self, name: str, model: ServedModel) -> tuple[str, int]:
        """Return what to propose to the other workers: the stage that this one could begin."""
        return f"{name}{_MARK}", model.offered.stage if model.offered is not None else 0

    def begin(self, name: str, model: ServedModel, agreed: Mapping[str, int]) -> None:
        """Begin the split that is agreed on; the manager's lock is held."""
        offered = model.offered
        if offered is None or offered == model.split or agreed.get(f"{name}{_MARK}") != offered.stage:
            return
        model.split = offered
        split, trial = self._made.get(name, (None, None))
        model.trial = trial if split == offered else None
        kind = "shadow mode" if offered.percent == 0 else f"{offered.percent:g} % of the requests"
        _LOG.info("%s: version %d is tried as a canary, with %s", name, offered.version, kind)

    def end(self, name: str, model: ServedModel, published: Published) -> None:
        """End a split that the registry no longer asks for; the manager's lock is held."""
        split = model.split
        if split is None or (published.canary is not None and published.canary.start == split.start):
            return
        if published.champion == split.version and model.champion != split.version:
            return  # promoted: the share stays until all requests go to it
        model.split = model.offered = model.trial = None
        _LOG.info("%s: version %d is no canary any more", name, split.version)

    def differs(self, name: str, model: ServedModel, agreed: Mapping[str, int]) -> bool:
        """Whether other workers split requests and this one does not, or in another way; the lock is held."""
        stage = agreed.get(f"{name}{_MARK}", 0)
        return bool(stage and model.offered is not None and (model.split is None or model.split.stage != stage))

    def stop(self) -> None:
        """Stop checking."""
        self._stop.set()

    def _start(self) -> None:
        """Check more often than the registry is polled, and also while a version is loaded."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="canary", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(_CHECK_SECONDS):
            try:
                for _, trial in list(self._made.values()):
                    trial.check()
                self._check()
            except (MlopsError, OSError) as error:
                _LOG.error("the registry cannot be read, canaries go on: %s", error)
