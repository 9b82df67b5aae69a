"""Keeps the right versions loaded: watches the shelf, loads a new version beside the old one, swaps, closes the old."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from core.errors import MlopsError
from serving.metrics import Metrics
from serving.processes.channel import Together
from serving.versions.health import Health
from serving.versions.loaded import (
    FailedVersion,
    Lease,
    LoadedVersion,
    ServedModel,
    lease_of,
    resolve,
)
from serving.versions.peers import Alone, Peers
from serving.versions.retry import Retry
from serving.versions.served import ServedModels
from serving.versions.shelf import Published, Shelf, Verified
from serving.versions.split import Keyed, Split
from serving.versions.trials import MakeTrial, Trials

if TYPE_CHECKING:
    from serving.models.savedmodel import SavedModel

Load = Callable[[Verified], "SavedModel"]
_LOG = logging.getLogger("serving")
_REPORT_SECONDS = 1.0
"""How long a request may wait for the report of a change; the thread that takes it needs a few microseconds."""


@dataclass(frozen=True)
class Watch:
    """How the shelf is watched."""

    seconds: float = 0.25
    """Time between two polls; one takes 0.2 ms of CPU while nothing changes."""
    others: int = 2
    """How many of the newest versions stay loaded besides the champion; a rollback to one of them is instant."""
    retry: Retry = field(default_factory=Retry)
    """When a version that failed to load is tried again, if its folder does not change before."""
    make_trial: MakeTrial | None = None
    """Makes what counts a canary; None counts nothing."""


class ModelManager(ServedModels):
    """The loaded versions of all models; everything but `poll` may be called from any thread."""

    def __init__(
        self,
        shelf: Shelf,
        load: Load,
        metrics: Metrics,
        watch: Watch = Watch(),
        peers: Peers | None = None,
    ) -> None:
        super().__init__(shelf)
        self._load = load
        self._metrics = metrics
        self._watch = watch
        self._peers = peers or Alone()
        self._health = Health(metrics)
        self._trials = Trials(watch.make_trial, self._end_trials)
        self._together = Together({}, is_served=False)
        self._changed = threading.Condition(self._lock)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._waits_for_peers = True
        self._loads = 0
        self._settled = True

    def start(self) -> None:
        """Load what is published and keep watching in a thread; wait until this worker answers as the others do."""
        self._peers.start(self._change)
        self._poll_and_log()
        self._thread = threading.Thread(target=self._run, name="model-manager", daemon=True)
        self._thread.start()
        self._peers.join()
        with self._changed:
            while self._waits_for_peers and self._differs():
                self._changed.wait(0.2)

    def stop_waiting(self) -> None:
        """Let `start` return in any case; may be called from a signal handler."""
        self._waits_for_peers = False

    def stop(self) -> None:
        """Stop watching and close the loaded versions; call it when no request is left."""
        self._stop.set()
        self._trials.stop()
        if self._thread is not None:
            self._thread.join(timeout=5)
        for name in list(self._models):
            self._retire(name, keep=frozenset())

    def split(self, name: str) -> Split | None:
        """Return how requests that name no version are split between champion and canary; None without a canary."""
        if self._together.moment < self._peers.moment:
            with self._changed:
                self._catch_up()
        model = self._models.get(name)
        return model.split if model is not None else None

    @contextmanager
    def lease(self, name: str, version: int | None, label: str | None, keyed: Keyed | None = None) -> Iterator[Lease]:
        """Hold the given version, the champion or the canary for a request; RequestError (400, 404, 503) if none fits.

        `keyed` is the key of a request that is split between champion and canary.
        """
        with self._changed:
            self._catch_up()
            number = resolve(self._models, name, version, label)
            lease = lease_of(self._models[name], number, keyed)
            held = self._models[name].loaded[lease.version]
            held.users += 1
        try:
            yield lease
        finally:
            with self._lock:
                held.users -= 1
                last = held.retired and held.users == 0
            if last:
                held.model.close()

    def poll(self) -> None:
        """Poll every model once; a failure of one is logged and changes neither it nor the others."""
        for name in self._shelf.names():
            with self._lock:
                model = self._models.setdefault(name, ServedModel())
            try:
                published = self._shelf.published(name)
            except (MlopsError, OSError) as error:
                self._health.trouble(
                    name, model, f"{name}: cannot read the registry, the loaded versions stay: {error}"
                )
                continue
            self._follow(name, model, published)
            self._health.measure(name, model, published)
        if not self._settled:
            self._settled = True
            self._peers.settled(self._loads)

    def _run(self) -> None:
        while not self._stop.wait(self._watch.seconds):
            self._poll_and_log()

    def _poll_and_log(self) -> None:
        try:
            self.poll()
        except Exception:
            # The watcher must survive any failure of one poll; the loaded versions keep answering.
            _LOG.exception("polling the registry failed")

    def _follow(self, name: str, model: ServedModel, published: Published) -> None:
        with self._lock:
            self._trials.end(name, model, published)
            self._trials.offer(name, model, published)
        wanted = model.wanted(published, self._together.agreed.get(name), self._watch.others)
        for version in wanted:
            if version not in model.loaded and self._due(name, model, version):
                self._try(name, model, version)
            # Inside the loop, so that the champion does not wait for the others to be loaded.
            self._propose(name, model, published)
        self._propose_trial(name, model)
        self._retire(name, keep=frozenset(wanted) | {model.champion})
        with self._lock:
            model.failed = {version: failed for version, failed in model.failed.items() if version in wanted}

    def _propose(self, name: str, model: ServedModel, published: Published) -> None:
        """Propose the champion, once it is loaded, to all workers; they change to it together."""
        self._change()
        able = published.champion if published.champion in model.loaded else model.champion
        if able is None or able == model.proposed:
            return
        model.proposed = able
        if self._peers.propose(name, able):
            self._change(self._together._replace(agreed={**self._together.agreed, name: able}))
            return
        with self._changed:
            # Loading another version holds Python's lock for long, and so would delay the change.
            self._changed.wait_for(lambda: model.champion == able, self._watch.seconds)

    def _propose_trial(self, name: str, model: ServedModel) -> None:
        """Propose the split that the registry asks for; a worker that cannot load the canary does so too.

        Its champion answers instead, and the failure is counted: nobody waits for it, and nobody replaces it.
        """
        key, stage = self._trials.proposal(name, model)
        if stage == model.proposed_stage:
            return
        model.proposed_stage = stage
        if self._peers.propose(key, stage):
            self._change(self._together._replace(agreed={**self._together.agreed, key: stage}))

    def _end_trials(self) -> None:
        """End the splits that the registry no longer asks for, between two polls."""
        for name, model in list(self._models.items()):
            if model.split is not None:
                published = self._shelf.published(name)
                with self._lock:
                    self._trials.end(name, model, published)

    def _change(self, together: Together | None = None) -> None:
        """Answer with what is agreed on, as far as it is loaded."""
        changed = []
        with self._changed:
            self._together = together or self._together
            for name, version in self._together.agreed.items():
                model = self._models.get(name)
                if model is not None and model.champion != version and version in model.loaded:
                    model.champion = version
                    changed.append((name, version))
            for name, model in self._models.items():
                self._trials.begin(name, model, self._together.agreed)
            self._changed.notify_all()
        for name, version in changed:
            _LOG.info("%s: version %d answers now", name, version)

    def _catch_up(self) -> None:
        """Wait for the report of a change that was made: others may have answered with it; the lock is held."""
        moment = self._peers.moment
        if self._together.moment < moment:
            self._changed.wait_for(lambda: self._together.moment >= moment, _REPORT_SECONDS)

    def _differs(self) -> bool:
        """Whether other workers answer and this one does not, or with another version; the lock is held."""
        return self._together.is_served and any(
            model.champion != self._together.agreed.get(name, model.champion)
            or self._trials.differs(name, model, self._together.agreed)
            for name, model in self._models.items()
        )

    def _due(self, name: str, model: ServedModel, version: int) -> bool:
        failed = model.failed.get(version)
        return failed is None or failed.is_due(self._shelf.stamp(name, version), time.monotonic(), self._watch.retry)

    def _try(self, name: str, model: ServedModel, version: int) -> None:
        stamp = self._shelf.stamp(name, version)
        try:
            with self._trials.loading(name, version):
                verified = self._shelf.verify(name, version)
                loaded = LoadedVersion(self._load(verified), verified.created)
        except (MlopsError, OSError) as error:
            _LOG.error("%s: version %d is not served: %s", name, version, error)
            self._metrics.load_failures.labels(name, str(version)).inc()
            with self._lock:
                failures = model.failed[version].failures + 1 if version in model.failed else 1
                model.failed[version] = FailedVersion(stamp, time.monotonic(), str(error), failures)
            return
        self._loads += 1
        self._settled = False
        with self._lock:
            model.loaded[version] = loaded
            model.failed.pop(version, None)
        self._metrics.loaded.labels(name, str(version)).set(1)
        _LOG.info("%s: version %d is loaded", name, version)

    def _retire(self, name: str, keep: frozenset[int | None]) -> None:
        """Forget versions; each is closed when the last request that uses it is done."""
        with self._lock:
            model = self._models[name]
            gone = {version: model.loaded.pop(version) for version in list(model.loaded) if version not in keep}
            for held in gone.values():
                held.retired = True
            idle = [held for held in gone.values() if held.users == 0]
        for held in idle:
            held.model.close()
        self._settled = self._settled and not gone
        for version in gone:
            self._metrics.loaded.labels(name, str(version)).set(0)
            _LOG.info("%s: version %d is unloaded", name, version)
