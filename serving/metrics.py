"""The server's Prometheus metrics; label values come from the registry and the schema, never from a client."""

import os
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

MULTIPROCESS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""The folder in which workers share their metrics; the library reads it at import and when a metric is made."""
_BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_Mode = Literal["livemostrecent", "livemin", "livesum", "mostrecent"]


class Metrics:
    """The metrics of one serving process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.more: list[Callable[[], bytes]] = []
        """What else `text` returns."""
        self.requests = self._counter("requests", "Answered requests.", "model", "version", "verb", "code")
        self.seconds = Histogram(
            "mlops_serving_request_seconds",
            "From the whole body read to the answer.",
            ("model", "verb"),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self.missing = self._counter(
            "missing_features", "Optional features that a row did not have.", "model", "feature"
        )
        self.unknown = self._counter(
            "unknown_values",
            "Categories that training has not seen, answered from the out-of-vocabulary bucket.",
            "model",
            "feature",
        )
        self.non_finite = self._counter(
            "non_finite_outputs", "Answers refused because the model gave NaN or infinity.", "model", "version"
        )
        self.incomplete = self._counter(
            "incomplete_explanations",
            "Explanations refused because they do not add up to the prediction.",
            "model",
            "version",
        )
        self.load_failures = self._counter(
            "load_failures", "Versions that could not be loaded, and were not served.", "model", "version"
        )
        self.refused_connections = self._counter(
            "refused_connections", "Connections closed for a cap or a deadline.", "reason"
        )
        self.shadow_dropped = self._counter(
            "shadow_dropped", "Requests that shadow mode did not compare, as its process was busy.", "model"
        )
        self.loaded = self._gauge("loaded", "1 for a version that answers.", "livemin", "model", "version")
        self.champion = self._gauge(
            "champion_version", "The version that the unversioned path answers with.", "livemin", "model"
        )
        self.behind = self._gauge(
            "champion_not_loaded", "1 while the version in production could not be loaded.", "livemostrecent", "model"
        )
        self.age = self._gauge("model_age_seconds", "Time since the champion was published.", "livemostrecent", "model")
        self._count_logging()
        self._add_mirror()

    def _add_mirror(self) -> None:
        self.mirrored = self._counter(
            "mirrored_versions", "Versions copied from the store, or found complete in the mirror.", "model"
        )
        self.mirror_refused = self._counter(
            "mirror_refused_versions",
            "Incomplete versions in the store, which were not copied.",
            "model",
            "version",
        )
        self.mirror_failures = self._counter("mirror_failures", "Polls of the store that failed.", "store")
        self.mirror_seen = self._gauge(
            "mirror_seen_seconds", "When the store answered last, as seconds since 1970.", "mostrecent", "store"
        )

    def _count_logging(self) -> None:
        self.access_log_dropped = self._counter("access_log_dropped", "Lines of the access log that were not written.")
        self.logged_rows = self._counter("prediction_log_rows", "Rows written to the prediction log.", "model")
        self.logged_bytes = self._counter("prediction_log_bytes", "Bytes written to the prediction log.", "model")
        self.log_dropped = self._counter(
            "prediction_log_dropped_rows",
            "Rows that were answered and not logged: too many waited (queue), no rows (not_rows), disk, or error.",
            "model",
            "reason",
        )

        # Finding the labels takes as long as counting, in every request.
        kept = lru_cache(maxsize=1024)
        self._request_of, self._seconds_of = kept(self.requests.labels), kept(self.seconds.labels)
        self._missing_of, self._unknown_of = kept(self.missing.labels), kept(self.unknown.labels)

    def count_request(self, model: str, version: str, verb: str, status: int) -> None:
        """Count an answered request."""
        self._request_of(model, version, verb, str(status)).inc()

    def time_request(self, model: str, verb: str, seconds: float) -> None:
        """Count the time that a request took."""
        self._seconds_of(model, verb).observe(seconds)

    def count_inputs(self, model: str, missing: Mapping[str, int], unknown: Mapping[str, int]) -> None:
        """Count, by feature, the rows that lacked it and the values that the schema does not list."""
        for feature, count in missing.items():
            self._missing_of(model, feature).inc(count)
        for feature, count in unknown.items():
            self._unknown_of(model, feature).inc(count)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"mlops_serving_{name}", text, labels, registry=self._registry)

    def _gauge(self, name: str, text: str, mode: _Mode, *labels: str) -> Gauge:
        return Gauge(f"mlops_serving_{name}", text, labels, registry=self._registry, multiprocess_mode=mode)

    def text(self) -> bytes:
        """Return the metrics of all workers in Prometheus' text format."""
        if os.environ.get(MULTIPROCESS_VARIABLE):
            from prometheus_client import multiprocess  # noqa: PLC0415 - one process alone does not need it

            gathered = CollectorRegistry()
            multiprocess.MultiProcessCollector(gathered)  # type: ignore[no-untyped-call]
            return b"".join([generate_latest(gathered), *(more() for more in self.more)])
        return b"".join([generate_latest(self._registry), *(more() for more in self.more)])


def forget_worker(pid: int, folder: Path) -> None:
    """Take a dead worker's gauges out of the sum; its counters stay."""
    for path in folder.glob(f"gauge_live*_{pid}.db"):
        path.unlink(missing_ok=True)
