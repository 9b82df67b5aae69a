"""What is served, as requests and probes may ask from any thread."""

import threading

from serving.errors import not_found
from serving.versions.loaded import NOTHING_YET, ServedModel, Status, resolve
from serving.versions.shelf import Shelf


class ServedModels:
    """The state of all models; the model manager changes it."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._models: dict[str, ServedModel] = {}
        self._lock = threading.Lock()
        self._was_ready = False

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
