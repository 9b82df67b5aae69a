"""Cloud Monitoring's answers are counts by deployed model, in bins whose edges are the service's."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import pytest
from fake_serving import ENDPOINT

from mlops.actions.endpoint.watch import counts
from mlops.worlds.vertex.metrics import LATENCIES, Metrics
from mlops.worlds.vertex.rest import Rest

SINCE = datetime(2026, 11, 28, 12, 0, 30, tzinfo=UTC)


class Answers:
    """Answers with prepared pages, and keeps what was asked."""

    def __init__(self, responses: list[dict[str, Any]], latencies: list[dict[str, Any]]) -> None:
        self.pages = {False: list(responses), True: list(latencies)}
        self.asked: list[dict[str, list[str]]] = []
        self.deployment = type("Deployment", (), {"project": "my-project"})

    def read(self, service: str, path: str) -> dict[str, Any]:
        assert service == "monitoring"
        query = parse_qs(urlsplit(path).query)
        self.asked.append(query)
        pages = self.pages[LATENCIES in query["filter"][0]]
        found = pages.pop(0) if pages else {}
        return found | ({"nextPageToken": "more"} if pages else {})


def responses(model: str, code: str, count: int) -> dict[str, Any]:
    labels = {"deployed_model_id": model, "response_code": code}
    return {"metric": {"labels": labels}, "points": [{"value": {"int64Value": str(count)}}]}


def latencies(model: str, options: dict[str, Any], *bins: int) -> dict[str, Any]:
    value = {"distributionValue": {"bucketOptions": options, "bucketCounts": [str(count) for count in bins]}}
    return {"metric": {"labels": {"deployed_model_id": model}}, "points": [{"value": value}]}


def read(answers: Answers, minutes: float = 10) -> Any:
    return Metrics(cast(Rest, answers), ENDPOINT).read(SINCE, SINCE + timedelta(minutes=minutes))


def test_all_pages_count_and_only_2xx_is_an_answer() -> None:
    answers = Answers(
        [
            {"timeSeries": [responses("1", "200", 90), responses("1", "5xx", 2), responses("2", "2xx", 5)]},
            {"timeSeries": [responses("1", "404", 3), responses("1", "200", 10)]},
        ],
        [],
    )
    found = read(answers)
    assert (found["1"].ok, found["1"].failed, found["2"].ok) == (100, 5, 5)
    assert answers.asked[1]["pageToken"] == ["more"]
    assert answers.asked[0]["interval.startTime"] == ["2026-11-28T12:01:00Z"]  # whole minutes of the step alone
    assert answers.asked[0]["interval.endTime"] == ["2026-11-28T12:10:00Z"]
    assert answers.asked[0]["aggregation.alignmentPeriod"] == ["540s"]


def test_nothing_is_asked_before_a_whole_minute_is_over() -> None:
    answers = Answers([], [])
    assert read(answers, minutes=0.4) == {}
    assert answers.asked == []


@pytest.mark.parametrize(
    ("options", "edges"),
    [
        ({"explicitBuckets": {"bounds": [10.0, 20.0]}}, (0.01, 0.02)),
        ({"linearBuckets": {"numFiniteBuckets": 2, "width": 10.0, "offset": 5.0}}, (0.005, 0.015, 0.025)),
        ({"exponentialBuckets": {"numFiniteBuckets": 2, "growthFactor": 2.0, "scale": 1.0}}, (0.001, 0.002, 0.004)),
    ],
)
def test_the_bins_of_times_are_the_services(options: dict[str, Any], edges: tuple[float, ...]) -> None:
    found = read(Answers([], [{"timeSeries": [latencies("1", options, 4, 3)]}]))
    assert found["1"].edges == pytest.approx(edges)
    assert found["1"].seconds == [4, 3, *[0] * (len(edges) - 1)]  # the service leaves zeros at the end out


def test_times_in_other_bins_are_not_compared() -> None:
    some, others = {"explicitBuckets": {"bounds": [10.0]}}, {"explicitBuckets": {"bounds": [30.0]}}
    found = read(Answers([], [{"timeSeries": [latencies("1", some, 7, 1), latencies("2", others, 9, 1)]}]))
    compared = counts(found, {"1"}, {"2"})
    assert compared.edges == (0.01,)
    assert (compared.champion.seconds, compared.canary.seconds) == ([7, 1], [0, 0])
    assert counts({}, {"1"}, {"2"}).canary.seconds == [0]
