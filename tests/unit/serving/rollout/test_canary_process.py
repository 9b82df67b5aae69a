"""Canaries on a real server of two workers, under load: bad ones are aborted, a good one goes into production."""

import http.client
import itertools
import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest
from server_process import PREDICT, Served, serving

from core.backends import rollout
from core.backends.canary import CanaryPlan, Note
from core.backends.registry import Registry, open_registry

ME = Note("test", "to see")
FAST: dict[str, Any] = {
    "key": "header:x-user",
    "error_rise": 0.15,
    "slowdown": 4.0,
    "shift": 0.35,
    "alpha": 0.1,
    "bake_seconds": 0.0,
}
"""Wide bounds: a few hundred requests decide."""
CLIENTS = 3
PAUSE = 0.003
"""Seconds between the requests of a client: the canary needs a number of answers, not all that the machine can give."""


class Answered(NamedTuple):
    key: str
    version: str
    status: int
    asked: float
    received: float


@dataclass
class Load:
    """Clients that ask again and again, as many users."""

    port: int
    answers: list[Answered] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    keys: Iterator[int] = field(default_factory=itertools.count)
    stop: threading.Event = field(default_factory=threading.Event)

    def all_get(self, version: str) -> bool:
        """Whether the latest answers of all clients, to many users, are of one version."""
        return len(self.answers) > 100 and {answer.version for answer in self.answers[-100:]} == {version}

    def run(self) -> None:
        chance = random.Random(threading.get_ident())
        while not self.stop.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
            for _ in range(20):
                # Each user comes twice, on any connection and so to any worker.
                key = f"user-{next(self.keys) // 2}"
                row = {"carrier": "AA", "hour": chance.randrange(24), "distance": chance.random() * 4000, "temp": 55.9}
                body = json.dumps({"instances": [row]})
                asked = time.monotonic()
                try:
                    connection.request("POST", PREDICT, body, {"Content-Type": "application/json", "X-User": key})
                    response = connection.getresponse()
                    response.read()
                except (OSError, http.client.HTTPException) as error:
                    self.lost.append(repr(error))
                    break
                version = response.headers.get("X-Model-Version", "")
                self.answers.append(Answered(key, version, response.status, asked, time.monotonic()))
                time.sleep(PAUSE)
            connection.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Version 1 in production, and: 2 good, 3 fails often, 4 slow, 5 scores otherwise, 6 good."""
    import tiny_models

    home = tmp_path_factory.mktemp("home")
    registry = open_registry(str(home / "models"))
    made: list[dict[str, Any]] = [
        {"bias": -1.0},
        {"bias": -1.001},
        {"bias": -1.002, "fails_from": 12},
        {"bias": -1.003, "turns": 15_000},
        {"bias": 3.0},
        {"bias": -1.004},
    ]
    for number, options in enumerate(made, 1):
        folder = tiny_models.export_delay(home / f"exported-{number}", **options)
        (folder / "assets.extra" / "warm_up_rows.jsonl").unlink()
        registry.publish("flight_delay", folder, {})
    registry.promote("flight_delay", 1)
    with serving(home, "flight_delay", "--workers", "2") as running:
        running.until(lambda: running.ask("/readyz")[0] == 200)
        yield running


@pytest.fixture
def load(served: Served) -> Iterator[Load]:
    made = Load(served.port)
    threads = [threading.Thread(target=made.run, daemon=True) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    yield made
    made.stop.set()
    for thread in threads:
        thread.join(120)


def registry_of(served: Served) -> Registry:
    return open_registry(str(served.home / "models"))


def ended(registry: Registry) -> Callable[[], bool]:
    return lambda: registry.state("flight_delay").canary is None


def assert_moves_one_way(answers: list[Answered]) -> None:
    """A user who was answered by version 2 is never again answered by version 1, whatever worker answers."""
    of_users: dict[str, list[Answered]] = {}
    for answer in answers:
        of_users.setdefault(answer.key, []).append(answer)
    for came in of_users.values():
        for first, then in itertools.permutations(came, 2):
            assert not (first.received < then.asked and first.version == "2" and then.version == "1"), (first, then)


@pytest.mark.parametrize(
    ("version", "rule"), [(3, "share of failed requests"), (4, "time of 90%"), (5, "Kolmogorov-Smirnov")]
)
def test_a_bad_canary_is_aborted_and_the_event_says_why(served: Served, load: Load, version: int, rule: str) -> None:
    registry = registry_of(served)
    rollout.begin(registry, "flight_delay", version, CanaryPlan(steps=(30.0, 100.0), **FAST), ME)
    served.until(ended(registry))
    event = registry.state("flight_delay").rollouts[-1]
    assert (event["action"], event["version"]) == ("abort", version), event
    failed = [check["rule"] for check in event["decision"]["checks"] if check["verdict"] == "fail"]
    assert len(failed) == 1 and rule in failed[0], event["decision"]
    assert "mlops serve" in event["by"]
    served.until(lambda: load.all_get("1"))
    seen = len(load.answers)
    served.until(lambda: len(load.answers) > seen + 200)
    assert load.all_get("1"), "from a moment on no worker asks it any more"
    assert not load.lost


def test_a_good_canary_goes_by_its_steps_into_production_though_workers_are_killed(served: Served, load: Load) -> None:
    registry = registry_of(served)
    rollout.begin(registry, "flight_delay", 2, CanaryPlan(steps=(30.0, 60.0, 100.0), **FAST), ME)
    served.until(lambda: any(answer.version == "2" for answer in load.answers))
    os.kill(served.workers()[0], signal.SIGKILL)
    served.until(ended(registry))
    events = registry.state("flight_delay").rollouts[-3:]
    assert [event["action"] for event in events] == ["start", "step", "promote"], events
    assert {check["verdict"] for check in events[-1]["decision"]["checks"]} == {"pass"}
    served.until(lambda: load.all_get("2"))
    before = {answer.version for answer in load.answers}
    assert before <= {"1", "2", ""}, "nothing unpublished answers"
    assert {answer.status for answer in load.answers} == {200}
    assert len(load.lost) <= CLIENTS, "what the killed worker was answering"
    assert_moves_one_way(load.answers)
    registry.rollback("flight_delay")
    served.until(lambda: load.all_get("1"))


def test_the_answers_of_a_shadow_are_compared_and_never_returned(served: Served, load: Load) -> None:
    registry = registry_of(served)
    rollout.begin(registry, "flight_delay", 5, CanaryPlan(steps=(0.0, 30.0), **FAST), ME)
    served.until(ended(registry))
    event = registry.state("flight_delay").rollouts[-1]
    assert (event["action"], event["percent"]) == ("abort", 0.0), event
    assert "Kolmogorov" in event["why"]
    rollout.begin(registry, "flight_delay", 6, CanaryPlan(steps=(0.0,), **FAST), ME)
    served.until(lambda: registry.state("flight_delay").rollouts[-1]["action"] == "pass")
    assert 'role="canary",step=' in served.ask("/metrics")[1]
    registry.rollback("flight_delay")
    assert {answer.version for answer in load.answers} == {"1"}
    assert {answer.status for answer in load.answers} == {200}
    assert not load.lost
