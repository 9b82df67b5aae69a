"""The counts of canaries as Prometheus metrics, by version."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

from serving.rollout.tally import ROLES, Side, read, score_edges, seconds_edges

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_SCORES = (0.0, *(step / 10 for step in range(1, 11)), 10.0, 100.0, 1000.0, 10_000.0)
_LABELS = ("model", "version", "role", "step")


def text(folder: Path) -> bytes:
    """Return the metrics of the canaries that are counted below a folder; nothing where there is none."""
    if not folder.is_dir():
        return b""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(folder))
    return generate_latest(registry)


class _Collector:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterator[Any]:
        requests = CounterMetricFamily(
            "mlops_serving_canary_requests", "Split requests that ended.", labels=(*_LABELS, "outcome")
        )
        seconds = HistogramMetricFamily(
            "mlops_serving_canary_seconds", "Time of the model's answer, without the wait for a thread.", labels=_LABELS
        )
        scores = HistogramMetricFamily("mlops_serving_canary_scores", "One score for each key.", labels=_LABELS)
        for labels, side in self._sides():
            requests.add_metric((*labels, "ok"), side.ok)
            requests.add_metric((*labels, "failed"), side.failed)
            seconds.add_metric(labels, _buckets(side.seconds, seconds_edges(), _SECONDS), sum_value=None)
            scores.add_metric(labels, _buckets(side.scores, score_edges(), _SCORES), sum_value=None)
        yield from (requests, seconds, scores)

    def _sides(self) -> Iterator[tuple[tuple[str, ...], Side]]:
        for stage in sorted(self._folder.glob("*/*-*-*")):
            number, champion, canary = stage.name.split("-")
            counts = read(stage)
            for role, version, side in zip(ROLES, (champion, canary), (counts.champion, counts.canary), strict=True):
                yield (stage.parent.name, version, role, number), side


def _buckets(counts: Sequence[int], edges: Sequence[float], wanted: Sequence[float]) -> list[tuple[str, float]]:
    """Sum fine bins up to each wanted edge; an edge that is not one of them takes the fine bins below it."""
    up_to = list(accumulate(counts))
    found = [(str(edge), float(up_to[at - 1] if (at := _edge(edges, edge)) else 0)) for edge in wanted]
    return [*found, ("+Inf", float(up_to[-1]))]


def _edge(edges: Sequence[float], wanted: float) -> int:
    """Return how many bins end at a wanted edge or below it."""
    return bisect_left(edges, wanted * (1 + 1e-9) if wanted > 0 else wanted + 1e-12)
