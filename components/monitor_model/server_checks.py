"""Checks of what the server counted, from its metrics in Prometheus' text format."""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from components.monitor_model.config import Config
from core.decision import Bound, Check, compare

REQUESTS, SECONDS = "mlops_serving_requests_total", "mlops_serving_request_seconds_bucket"
_LINE = re.compile(r"^(?P<name>[a-zA-Z_:][\w:]*)(\{(?P<labels>.*)\})?\s+(?P<value>\S+)(\s+-?\d+)?$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class Sample(NamedTuple):
    """One sample of a metric."""

    name: str
    labels: Mapping[str, str]
    value: float


def samples(text: str) -> Iterator[Sample]:
    """Yield the samples of a text; lines that are none are left out."""
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is None or line.startswith("#"):
            continue
        try:
            value = float(match["value"])
        except ValueError:
            continue
        yield Sample(match["name"], dict(_LABEL.findall(match["labels"] or "")), value)


def server_checks(config: Config, text: str, model: str) -> Iterator[Check]:
    """Check the share of errors and the latency of a model's requests, since the server started."""
    found = [one for one in samples(text) if one.labels.get("model") == model]
    requests = [one for one in found if one.name == REQUESTS]
    total = sum(one.value for one in requests)
    errors = sum(one.value for one in requests if one.labels.get("code", "").startswith("5"))
    yield compare(
        "server: share of requests answered with an error of the server",
        errors / total if total else None,
        Bound(at_most=config.server.max_error_share),
        next_step="read the server's log",
    )
    quantile = config.server.latency_quantile
    yield compare(
        f"server: seconds that {quantile:.4g} of the requests take at most",
        _quantile([one for one in found if one.name == SECONDS], quantile),
        Bound(at_most=config.server.max_latency_seconds),
        next_step="see what takes time in the server: its load, the model's size, the rows of a request",
    )


def _quantile(buckets: list[Sample], share: float) -> float | None:
    """Return the bound of the bucket that holds a quantile, which is an upper bound of it; None without requests."""
    counts: dict[float, float] = {}
    for one in buckets:
        edge = float(one.labels.get("le", "nan"))
        counts[edge] = counts.get(edge, 0.0) + one.value
    total = max(counts.values(), default=0.0)
    if not total:
        return None
    return next((edge for edge in sorted(counts) if counts[edge] >= share * total), None)
