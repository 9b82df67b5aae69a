"""What Cloud Monitoring has of an endpoint's deployed models: answers by status, and the time of answers.

Two metrics are read: `prediction/online/response_count`, by deployed model and status, and
`prediction/online/prediction_latencies`, by deployed model, of the latency type `total`. Both are there some minutes
late. Nothing there says what was predicted.
"""

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from mlops.worlds.vertex.rest import Rest

RESPONSES = "aiplatform.googleapis.com/prediction/online/response_count"
LATENCIES = "aiplatform.googleapis.com/prediction/online/prediction_latencies"
_MODEL = "deployed_model_id"
_CODE = "response_code"
_MINUTE = 60


@dataclass
class Answered:
    """What one deployed model did in a time."""

    ok: int = 0
    failed: int = 0
    """Answers with any status but 2xx."""
    edges: tuple[float, ...] = ()
    """Upper edges in seconds of the bins of answer times, one fewer than bins; empty where there were no answers."""
    seconds: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Metrics:
    """The metrics of one endpoint, by its resource name."""

    rest: Rest
    endpoint: str

    def read(self, since: datetime, until: datetime) -> dict[str, Answered]:
        """Return what each deployed model did in whole minutes between two moments; MlopsError as `Rest.read`."""
        start = _whole_minute(since + timedelta(seconds=_MINUTE - 1))
        end = _whole_minute(until)
        found: dict[str, Answered] = defaultdict(Answered)
        if end <= start:
            return found
        for labels, value in self._series(RESPONSES, (_MODEL, _CODE), "", start, end):
            one = found[labels.get(_MODEL, "")]
            count = int(value.get("int64Value", 0))
            if labels.get(_CODE, "").startswith("2"):
                one.ok += count
            else:
                one.failed += count
        for labels, value in self._series(LATENCIES, (_MODEL,), ' AND metric.labels.latency_type="total"', start, end):
            _add(found[labels.get(_MODEL, "")], value.get("distributionValue", {}))
        return found

    def _series(
        self, metric: str, labels: tuple[str, ...], more: str, start: datetime, end: datetime
    ) -> list[tuple[Mapping[str, str], dict[str, Any]]]:
        """Return the labels and the values of a metric's series, summed over the time."""
        number = self.endpoint.rpartition("/")[2]
        where = f'resource.type="aiplatform.googleapis.com/Endpoint" AND resource.labels.endpoint_id="{number}"'
        query = [
            ("filter", f'metric.type="{metric}" AND {where}{more}'),
            ("interval.startTime", _rfc3339(start)),
            ("interval.endTime", _rfc3339(end)),
            ("aggregation.alignmentPeriod", f"{int((end - start).total_seconds())}s"),
            ("aggregation.perSeriesAligner", "ALIGN_SUM"),
            ("aggregation.crossSeriesReducer", "REDUCE_SUM"),
            *(("aggregation.groupByFields", f"metric.labels.{label}") for label in labels),
        ]
        path = f"/v3/projects/{self.rest.deployment.project}/timeSeries"
        found: list[tuple[Mapping[str, str], dict[str, Any]]] = []
        page = ""
        while True:
            answer = self.rest.read(
                "monitoring", f"{path}?{urlencode([*query, *([('pageToken', page)] if page else [])])}"
            )
            for series in answer.get("timeSeries", []):
                names = series.get("metric", {}).get("labels", {})
                found += [(names, point.get("value", {})) for point in series.get("points", [])]
            page = answer.get("nextPageToken", "")
            if not page:
                return found


def _add(answered: Answered, distribution: Mapping[str, Any]) -> None:
    """Add a distribution of milliseconds; one with other bins than those before is left out, and so not decided by."""
    edges = _edges(distribution.get("bucketOptions", {}))
    if not edges or (answered.edges and answered.edges != edges):
        return
    counts = [int(count) for count in distribution.get("bucketCounts", [])]
    counts += [0] * (len(edges) + 1 - len(counts))
    answered.seconds = [one + more for one, more in zip(answered.seconds or [0] * len(counts), counts, strict=True)]
    answered.edges = edges


def _edges(options: Mapping[str, Any]) -> tuple[float, ...]:
    """Return the upper edges in seconds, but for that of the last bin, which has none."""
    if found := options.get("explicitBuckets"):
        return tuple(bound / 1000 for bound in found["bounds"])
    if found := options.get("exponentialBuckets"):
        steps = range(int(found["numFiniteBuckets"]) + 1)
        return tuple(found["scale"] * math.pow(found["growthFactor"], step) / 1000 for step in steps)
    if found := options.get("linearBuckets"):
        steps = range(int(found["numFiniteBuckets"]) + 1)
        return tuple((found.get("offset", 0.0) + found["width"] * step) / 1000 for step in steps)
    return ()


def _whole_minute(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(second=0, microsecond=0)


def _rfc3339(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
