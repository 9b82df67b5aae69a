"""flight_delay on the local cluster: the same compiled file, decisions and answers as on this machine."""

import csv
import json
import math
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from artifacts.schema.schema_file import read_schema
from mlops.cluster.access.reach import forwarded
from mlops.cluster.site import NAMESPACE
from mlops.worlds.kfp_connection import Connection
from pipelines.config import USECASES

pytestmark = pytest.mark.timeout(3600)
NAME = "flight_delay"
SERVED_WITHIN = 180.0
"""Seconds in which the server must have found a new model."""
CLOSE = 1e-6
"""Largest difference between two machines' numbers; threads add up in another order."""


@dataclass(frozen=True)
class Terminal:
    """Calls `mlops` in processes of their own, with one store."""

    home: Path

    def call(self, *arguments: str, exits: int = 0) -> Any:
        command = [sys.executable, "-m", "mlops.cli.main", *arguments, "--json"]
        done = subprocess.run(
            command,
            env={**os.environ, "MLOPS_HOME": str(self.home)},
            capture_output=True,
            text=True,
            timeout=3000,
            check=False,
        )
        assert done.returncode == exits, f"{arguments}: {done.stdout[-3000:]} {done.stderr[-3000:]}"
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    return Terminal(tmp_path_factory.mktemp("terminal"))


@pytest.fixture(scope="module")
def on_laptop(terminal: Terminal) -> Any:
    """The run on this machine."""
    return terminal.call("run", NAME)


@pytest.fixture(scope="module")
def on_cluster(terminal: Terminal, cluster: Connection) -> Any:
    """The run on the cluster, submitted from the same store."""
    terminal.call("data", "push", NAME, "--at", "kfp")
    return terminal.call(
        "submit", NAME, "--at", "kfp", "--wait", "--deadline", os.environ.get("MLOPS_TEST_RUN_MINUTES", "30")
    )


def test_both_ran_one_file(terminal: Terminal, on_laptop: Any, on_cluster: Any) -> None:
    def compiled(run: Any, name: str) -> Any:
        return next(yaml.safe_load_all((terminal.home / "runs" / run["run_id"] / name).read_text(encoding="utf-8")))

    assert (
        compiled(on_laptop, "pipeline.yaml")
        == compiled(on_cluster, "pipeline.yaml")
        == compiled(on_cluster, "submitted.yaml")
    )


def test_both_were_pinned_to_the_same_data(on_laptop: Any, on_cluster: Any) -> None:
    assert {key: on_laptop["parameters"][key] for key in ("span", "data")} == {
        key: on_cluster["parameters"][key] for key in ("span", "data")
    }


def test_every_gate_decided_the_same_from_the_same_numbers(on_laptop: Any, on_cluster: Any) -> None:
    checks = {
        (decision["gate"], check["rule"], check["slice"]): check
        for decision in on_laptop["decisions"]
        for check in decision["checks"]
    }
    found = {
        (decision["gate"], check["rule"], check["slice"]): check
        for decision in on_cluster["decisions"]
        for check in decision["checks"]
    }
    # A used cluster has a champion to compare with; this machine's new store has none.
    missing = {rule for gate, rule, _ in checks.keys() - found.keys() if gate != "push_model"}
    assert missing <= {"first model: without a champion all other rules decide"}
    both = checks.keys() & found.keys()
    assert {key: found[key]["verdict"] for key in both} == {key: checks[key]["verdict"] for key in both}
    # What push_model observes is the champion, and a used cluster has another one.
    compared = [key for key in both if not _is_a_time(key) and key[0] != "push_model"]
    numbers = [(key, checks[key]["observed"], found[key]["observed"]) for key in compared]
    assert [one for one in numbers if not _same(one[1], one[2])] == []


def test_what_the_run_pushed_is_served_and_answers_as_on_this_machine(
    terminal: Terminal, on_laptop: Any, on_cluster: Any, server: str
) -> None:
    assert on_cluster["pushed_model"], on_cluster["headline"]
    rows = _rows()
    wanted = terminal.call("predict", NAME, str(USECASES / NAME / "sample.csv"))["predictions"][: len(rows)]
    got = _ask(server, rows)
    assert len(got) == len(wanted) > 0
    assert all(_same(_flat(a), _flat(b)) for a, b in zip(got, wanted, strict=True)), list(
        zip(got, wanted, strict=True)
    )[:3]


def test_the_same_run_again_takes_every_result_from_the_cache(terminal: Terminal, on_cluster: Any) -> None:
    again = terminal.call("submit", NAME, "--at", "kfp", "--wait", "--deadline", "30")
    assert {task["name"]: task["cached"] for task in again["tasks"] if not task["cached"]} == {}
    assert again["pushed_model"] == on_cluster["pushed_model"]


def test_a_schedule_is_applied_once_listed_and_removed(terminal: Terminal, cluster: Connection) -> None:
    first = terminal.call("schedule", "apply", NAME, "--at", "kfp")
    again = terminal.call("schedule", "apply", NAME, "--at", "kfp")
    listed = terminal.call("schedule", "list", NAME, "--at", "kfp")["schedules"]
    removed = terminal.call("schedule", "delete", NAME, "--at", "kfp")["removed"]
    assert (again["created"], again["unchanged"]) == ([], first["created"])
    assert [one["id"] for one in listed] == [one["id"] for one in removed] == [one["id"] for one in first["created"]]
    assert terminal.call("schedule", "list", NAME, "--at", "kfp")["schedules"] == []


@pytest.fixture(scope="module")
def server(on_cluster: Any) -> Iterator[str]:
    """The model server in the cluster, once it answers with the version that was pushed."""
    with forwarded("model-server", NAMESPACE, 8501) as address:
        deadline = time.monotonic() + SERVED_WITHIN
        while not _serves(address, on_cluster["pushed_model"]["version"]):
            assert time.monotonic() < deadline, (
                f"version {on_cluster['pushed_model']['version']} is not served after {SERVED_WITHIN:g} s"
            )
            time.sleep(1)
        yield address


def _serves(address: str, version: int) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/v1/models/{NAME}/versions/{version}", timeout=10) as answer:
            return any(one["state"] == "AVAILABLE" for one in json.load(answer)["model_version_status"])
    except (urllib.error.URLError, OSError):
        return False


def _ask(address: str, rows: list[dict[str, Any]]) -> list[Any]:
    request = urllib.request.Request(f"{address}/v1/models/{NAME}:predict", json.dumps({"instances": rows}).encode())
    with urllib.request.urlopen(request, timeout=30) as answer:
        return list(json.load(answer)["predictions"])


def _rows(count: int = 20) -> list[dict[str, Any]]:
    """The first rows of the sample as a client would send them, typed by the curated schema, without the label."""
    kinds = {
        feature.name: {1: str, 2: int, 3: float}[feature.type]
        for feature in read_schema(USECASES / NAME / "schema.pbtxt").feature
    }
    with (USECASES / NAME / "sample.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))[:count]
    return [{name: kinds[name](value) for name, value in row.items() if value != "" and name != "late"} for row in rows]


def _flat(prediction: Any) -> float:
    while isinstance(prediction, list):
        (prediction,) = prediction
    return float(prediction)


def _is_a_time(key: tuple[str, str, str]) -> bool:
    return any(word in key[1] for word in ("latency in ms", "in seconds"))


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=CLOSE, abs_tol=CLOSE)
    return bool(one == other)
