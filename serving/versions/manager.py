"""Keeps the right versions loaded: watches the shelf, loads a new version beside the old one, swaps, closes the old."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from core.errors import MlopsError
from serving.errors import not_found
from serving.metrics import Metrics
from serving.processes.channel import Together
from serving.versions.loaded import NOTHING_YET, FailedVersion, Lease, LoadedVersion, ServedModel, Status, resolve
from serving.versions.peers import Alone, Peers
from serving.versions.retry import Retry
from serving.versions.shelf import Published, Shelf, Verified

if TYPE_CHECKING:
    from serving.models.savedmodel import SavedModel

Load = Callable[[Verified], "SavedModel"]
_LOG = logging.getLogger("serving")
_REPORT_SECONDS = 1.0
"""How long a request may wait for the report of a change; the thread that takes it needs a few microseconds."""


@dataclass(frozen=True)
class Watch:
    """How the shelf is watched."""

    seconds: float = 1.0
    """Time between two polls."""
    others: int = 2
    """How many of the newest versions stay loaded besides the champion; a rollback to one of them is instant."""
    retry: Retry = field(default_factory=Retry)
    """When a version that failed to load is tried again, if its folder does not change before."""


class ModelManager:
    """The loaded versions of all models; everything but `poll` may be called from any thread."""

    def __init__(
        self, shelf: Shelf, load: Load, metrics: Metrics, watch: Watch = Watch(), peers: Peers | None = None
    ) -> None:
        self._shelf = shelf
        self._load = load
        self._metrics = metrics
        self._watch = watch
        self._peers = peers or Alone()
        self._models: dict[str, ServedModel] = {}
        self._together = Together({}, is_served=False)
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._was_ready = False
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
        if self._thread is not None:
            self._thread.join(timeout=5)
        for name in list(self._models):
            self._retire(name, keep=frozenset())

    def waiting_for(self) -> str:
        """Return what is missing before this process can take requests; "" once everything in production answers.

        At least one model must answer. A model that is added later does not make a ready process unready.
        """
        if self._was_ready:
            return ""
        with self._lock:
            silent = {name: model.trouble for name, model in sorted(self._models.items()) if model.champion is None}
            if len(silent) < len(self._models):
                silent = {name: trouble for name, trouble in silent.items() if trouble}
            missing = [f"{name}: {trouble or NOTHING_YET}" for name, trouble in silent.items()]
            if not self._models:
                missing = ["no model is in production yet"]
        missing += filter(None, [self._shelf.missing()])
        self._was_ready = not missing
        return "; ".join(missing)

    def troubles(self) -> dict[str, str]:
        """Return by model why it is not served as it should be, such as a champion that cannot be loaded."""
        with self._lock:
            return {name: model.trouble for name, model in sorted(self._models.items()) if model.trouble}

    def has(self, name: str) -> bool:
        """Whether a model of this name is known."""
        return name in self._models

    @contextmanager
    def lease(self, name: str, version: int | None, label: str | None) -> Iterator[Lease]:
        """Hold the given version, or the champion, for one request; RequestError (400, 404, 503) when none fits."""
        with self._changed:
            self._catch_up()
            number = resolve(self._models, name, version, label)
            held = self._models[name].loaded[number]
            held.users += 1
        try:
            yield Lease(number, held.model)
        finally:
            with self._lock:
                held.users -= 1
                last = held.retired and held.users == 0
            if last:
                held.model.close()

    def status(self, name: str, version: int | None, label: str | None) -> list[Status]:
        """Return the versions known of a model, newest first; RequestError (400, 404) when none fits."""
        with self._lock:
            if label is not None:
                version = resolve(self._models, name, None, label)
            model = self._models.get(name)
            found = [] if model is None else model.statuses()
        found = [status for status in found if version in (None, status.version)]
        if not found:
            raise not_found(
                f"Could not find any versions of model {name}"
                if version is None
                else f"Could not find version {version} of model {name}"
            )
        return found

    def overview(self) -> dict[str, tuple[int | None, list[Status]]]:
        """Return the champion, None while there is none, and the versions known of each model, by name."""
        with self._lock:
            return {name: (model.champion, model.statuses()) for name, model in sorted(self._models.items())}

    def poll(self) -> None:
        """Poll every model once; a failure of one is logged and changes neither it nor the others."""
        for name in self._shelf.names():
            with self._lock:
                model = self._models.setdefault(name, ServedModel())
            try:
                published = self._shelf.published(name)
            except (MlopsError, OSError) as error:
                self._log_trouble(name, model, f"{name}: cannot read the registry, the loaded versions stay: {error}")
                continue
            self._follow(name, model, published)
            self._measure(name, model, published)
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
        wanted = model.wanted(published, self._together.agreed.get(name), self._watch.others)
        for version in wanted:
            if version not in model.loaded and self._due(name, model, version):
                self._try(name, model, version)
            # Inside the loop, so that the champion does not wait for the others to be loaded.
            self._propose(name, model, published)
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
            self._models[name].champion != version
            for name, version in self._together.agreed.items()
            if name in self._models
        )

    def _due(self, name: str, model: ServedModel, version: int) -> bool:
        failed = model.failed.get(version)
        return failed is None or failed.is_due(self._shelf.stamp(name, version), time.monotonic(), self._watch.retry)

    def _try(self, name: str, model: ServedModel, version: int) -> None:
        stamp = self._shelf.stamp(name, version)
        try:
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

    def _measure(self, name: str, model: ServedModel, published: Published) -> None:
        failed = model.failed.get(published.champion) if published.champion else None
        self._metrics.behind.labels(name).set(int(failed is not None))
        if failed is not None:
            serving = f"version {model.champion} answers" if model.champion else "nothing answers"
            trouble = f"version {published.champion} is in production but cannot be loaded, {serving}"
            self._log_trouble(name, model, f"{trouble}: {failed.message}")
        else:
            model.trouble = ""
        if model.champion is not None:
            self._metrics.champion.labels(name).set(model.champion)
            created = model.loaded[model.champion].created
            if created is not None:
                self._metrics.age.labels(name).set(max(0.0, time.time() - created))

    def _log_trouble(self, name: str, model: ServedModel, trouble: str) -> None:
        """Log a trouble once, not at every poll."""
        if trouble != model.trouble:
            _LOG.error("%s: %s", name, trouble)
        model.trouble = trouble
