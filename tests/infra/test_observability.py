"""Alert rules and dashboard: expressions that Prometheus can parse, about metrics and labels that the server has."""

import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from serving.metrics import Metrics
from tests.infra.rendered import CHECKS, KUSTOMIZE, named, needs_kubectl, needs_program, with_component

RULES = [
    rule
    for group in yaml.safe_load((KUSTOMIZE / "components/prometheus/alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
]
DASHBOARD: dict[str, Any] = json.loads((KUSTOMIZE / "components/grafana/model-server.json").read_text())
GRAFANA = {"$__rate_interval": "5m", "$__interval": "1m", "$model": "flight_delay"}
"""What Grafana puts in the place of its variables."""
PARSE = "import json, sys, promql_parser\nfor text in json.load(sys.stdin): promql_parser.parse(text)\n"


def _dashboard_expressions() -> Iterator[str]:
    for panel in DASHBOARD["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    yield from (one["expr"] for one in DASHBOARD["annotations"]["list"])


def _expressions() -> list[str]:
    found = [rule["expr"] for rule in RULES]
    return found + [_as_grafana_asks(text) for text in _dashboard_expressions()]


def _as_grafana_asks(expression: str) -> str:
    for variable, value in GRAFANA.items():
        expression = expression.replace(variable, value)
    return expression


def _metrics() -> dict[str, set[str]]:
    """Each series that the server exposes, with its labels."""
    found: dict[str, set[str]] = {}
    for metric in vars(Metrics()).values():
        if not isinstance(metric, MetricWrapperBase):
            continue
        name, labels = metric._name, set(metric._labelnames)
        endings = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(metric._type, ("",))
        found |= {f"{name}{ending}": labels | ({"le"} if ending == "_bucket" else set()) for ending in endings}
    return found


@pytest.mark.parametrize("expression", _expressions())
def test_every_metric_and_label_is_one_that_the_server_has(expression: str) -> None:
    metrics = _metrics()
    used = re.findall(r"\bmlops_\w+", expression)
    assert used
    assert set(used) <= set(metrics), f"unknown: {set(used) - set(metrics)}"
    matched = re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", expression)
    grouped = [
        name.strip() for names in re.findall(r"\b(?:by|on) \(([^)]*)\)", expression) for name in names.split(",")
    ]
    known = set().union(*(metrics[name] for name in used))
    assert set(matched) | set(grouped) <= known


@needs_program("checkov")
def test_prometheus_can_parse_every_expression() -> None:
    ran = subprocess.run(
        [CHECKS / "python", "-c", PARSE],
        input=json.dumps(_expressions()), capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr


def test_every_alert_has_a_name_of_its_own_and_a_next_step() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert {"summary", "next_step"} == set(rule["annotations"]), rule["alert"]
        verbs = re.findall(r"mlops (\w+)", rule["annotations"]["next_step"])
        assert set(verbs) <= {"models", "status", "trigger", "cluster"}


def test_labels_in_an_alerts_text_survive_its_expression() -> None:
    for rule in RULES:
        written = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
        grouped = re.findall(r"\bby \(([^)]*)\)", rule["expr"])
        kept = {name.strip() for names in grouped for name in names.split(",")} if grouped else written
        assert written <= kept, rule["alert"]


def test_panels_of_the_dashboard_are_told_apart_and_ask_the_chosen_prometheus() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len(set(places)) == len(places)
    variables = {one["name"] for one in DASHBOARD["templating"]["list"]}
    assert variables == {"datasource", "model"}
    for panel in panels:
        assert panel["datasource"]["uid"] == "${datasource}"
        assert panel["fieldConfig"]["defaults"]["unit"]


@needs_kubectl
def test_both_are_options_of_kustomize() -> None:
    rules = named(with_component("prometheus"), "ConfigMap", "mlops-alerts")["data"]["alerts.yaml"]
    assert yaml.safe_load(rules)["groups"][0]["rules"] == RULES
    dashboard = named(with_component("grafana"), "ConfigMap", "mlops-dashboard")
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(dashboard["data"]["model-server.json"]) == DASHBOARD
    server = named(with_component("prometheus"), "Deployment", "model-server")["spec"]["template"]
    assert server["metadata"]["annotations"]["prometheus.io/port"] == "8501"
