"""What a worker reports of the models that it serves: whether the champion answers, and since when it is published."""

import logging
import time

from serving.metrics import Metrics
from serving.versions.loaded import ServedModel
from serving.versions.shelf import Published

_LOG = logging.getLogger("serving")


class Health:
    """Measures models, and notes what is wrong with them."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def measure(self, name: str, model: ServedModel, published: Published) -> None:
        """Measure a model after a poll."""
        failed = model.failed.get(published.champion) if published.champion else None
        self._metrics.behind.labels(name).set(int(failed is not None))
        if failed is not None:
            serving = f"version {model.champion} answers" if model.champion else "nothing answers"
            trouble = f"version {published.champion} is in production but cannot be loaded, {serving}"
            self.trouble(name, model, f"{trouble}: {failed.message}")
        else:
            model.trouble = ""
        if model.champion is not None:
            self._metrics.champion.labels(name).set(model.champion)
            created = model.loaded[model.champion].created
            if created is not None:
                self._metrics.age.labels(name).set(max(0.0, time.time() - created))

    def trouble(self, name: str, model: ServedModel, trouble: str) -> None:
        """Log a trouble once, not at every poll."""
        if trouble != model.trouble:
            _LOG.error("%s: %s", name, trouble)
        model.trouble = trouble
