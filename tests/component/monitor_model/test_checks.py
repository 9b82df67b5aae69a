"""What the monitor's checks promise: an alarm is sure, and what cannot be decided is neither an alarm nor a pass."""

import math

import pytest

from artifacts.feedback.findings import Alarm, Findings
from artifacts.statistics import sample_size
from components.monitor_model.config import Config, Staleness
from components.monitor_model.server_checks import server_checks
from core.decision import Verdict
from core.problem import Metric
from mlops.triggers.alarms import events_of

CONFIG = Config(
    staleness=Staleness(max_model_age_days=60, why="measured in a test"),
    label="late",
    task="binary_classification",
    metrics=(Metric(name="auc", at_least=0.6, why="a test of metrics"),),
)


def test_a_tighter_bound_needs_more_rows_and_a_small_baseline_never_has_enough() -> None:
    assert sample_size.for_shares(0.02, 16, 50_000, 0.99) > sample_size.for_shares(0.05, 16, 50_000, 0.99) > 1000
    assert sample_size.for_divergence(0.02, 50_000, 0.99) > sample_size.for_divergence(0.2, 50_000, 0.99) > 10
    assert math.isinf(sample_size.for_divergence(0.001, 100, 0.99))
    assert math.isinf(sample_size.for_shares(0.001, 2, 100, 0.99))


METRICS = """
# TYPE mlops_serving_requests_total counter
mlops_serving_requests_total{model="m",version="1",verb="predict",code="200"} 970.0
mlops_serving_requests_total{model="m",version="1",verb="predict",code="400"} 20.0
mlops_serving_requests_total{model="m",version="1",verb="predict",code="503"} 10.0
mlops_serving_requests_total{model="other",version="1",verb="predict",code="500"} 99.0
mlops_serving_request_seconds_bucket{model="m",verb="predict",le="0.01"} 900.0
mlops_serving_request_seconds_bucket{model="m",verb="predict",le="0.5"} 995.0
mlops_serving_request_seconds_bucket{model="m",verb="predict",le="+Inf"} 1000.0
"""


def test_errors_and_latency_are_read_from_the_servers_metrics() -> None:
    errors, latency = server_checks(CONFIG, METRICS, "m")
    assert (errors.observed, errors.verdict) == (pytest.approx(0.01), Verdict.PASS)
    assert (latency.observed, latency.verdict) == (0.5, Verdict.FAIL)


@pytest.mark.parametrize("text", ["", "nonsense {{{\n# HELP", 'mlops_serving_requests_total{model="m"} x'])
def test_without_requests_the_server_is_undecided(text: str) -> None:
    assert {check.verdict for check in server_checks(CONFIG, text, "m")} == {Verdict.UNDECIDED}


def _findings(**changes: object) -> Findings:
    facts = {
        "model": "m",
        "champion": "1@sha256:" + "0" * 64,
        "as_of": "2013-11-01T00:00:00Z",
        "period": 534,
        "alarms": [Alarm(cause="drift", rule="drift: x"), Alarm(cause=None, rule="server: errors")],
        "undecided": [],
        "not_measured": [],
        "live": None,
        "points": [],
        "deployments": [],
    }
    return Findings.model_validate(facts | changes)


def test_an_alarm_that_lasts_is_one_fact_for_a_version_and_a_window() -> None:
    (event,) = events_of(_findings(), 0.0)
    (again,) = events_of(_findings(as_of="2013-11-02T00:00:00Z"), 9.0)
    (later,) = events_of(_findings(period=535), 9.0)
    (retrained,) = events_of(_findings(champion="2@sha256:" + "1" * 64), 9.0)
    assert event["id"] == again["id"]
    assert len({event["id"], later["id"], retrained["id"]}) == 3
    assert event["type"] == "mlops.fact.drift"
