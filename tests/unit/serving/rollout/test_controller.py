"""One process decides about a canary, and its decision holds though the registry cannot be written."""

import logging
import shutil
from pathlib import Path

import pytest

from core.backends import rollout
from core.backends.canary import Canary, CanaryPlan, Note
from core.backends.local_registry import LocalRegistry
from core.backends.registry import open_registry
from serving.rollout.controller import Controlled, Controller
from serving.rollout.outcome import Outcomes
from serving.rollout.trial import CountedTrial, stage_folder
from serving.versions.shelf import RegistryShelf
from serving.versions.split import CANARY, CHAMPION, Split

PLAN = CanaryPlan(steps=(50.0, 75.0), error_rise=0.2, shift=0.4, slowdown=100.0, alpha=0.1, bake_seconds=30.0)


class World:
    """A registry with two versions, the first in production, and a controller whose clock the test owns."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.registry = LocalRegistry(folder / "models")
        for text in "ab":
            model = folder / text
            model.mkdir()
            (model / "saved_model.pb").write_text(text)
            self.registry.publish("m", model, {})
        self.registry.promote("m", 1)
        self.time = 0.0
        self.outcomes = Outcomes(folder / "canaries")
        self.controller = self.started()

    def started(self) -> Controller:
        local = open_registry(str(self.folder / "models"))
        return Controller(
            Controlled(self.registry, local, self.folder / "counts", self.outcomes), now=lambda: self.time
        )

    def begin(self, plan: CanaryPlan = PLAN) -> Canary:
        return rollout.begin(self.registry, "m", 2, plan, Note("me"))

    def count(self, canary: Canary, requests: int, *, failed: int = 0) -> None:
        trial = CountedTrial.in_folder(self.folder / "counts", "m", Split.of("m", canary))
        for role in (CHAMPION, CANARY):
            for number in range(requests):
                is_failed = role == CANARY and number < failed
                trial.ended(trial.began(role), number % 50 / 50, None, failed=is_failed)
        trial.close()

    def actions(self) -> list[str]:
        return [event["action"] for event in self.registry.state("m").rollouts]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_step_takes_its_samples_and_its_time_and_the_last_one_waits_for_a_person(world: World) -> None:
    canary = world.begin()
    world.controller.poll()
    assert world.actions() == ["start"]
    world.count(canary, 1500)
    world.controller.poll()
    assert world.actions() == ["start"], "it has not been at this share for 30 s"
    world.time = 31.0
    world.controller.poll()
    assert world.actions() == ["start", "step"]
    after = world.registry.state("m").canary
    assert after is not None and after.percent == 75.0
    world.controller.poll()
    world.time = 100.0
    world.controller.poll()
    assert world.actions() == ["start", "step"], "the samples of the step before do not count"
    world.count(after, 1500)
    world.controller.poll()
    world.controller.poll()
    assert world.actions() == ["start", "step", "pass"]
    event = world.registry.state("m").rollouts[-1]
    assert all("of 1500" in check["observed"] for check in event["decision"]["checks"][1:]), event
    assert "mlops serve" in event["by"]


def test_a_failure_is_decided_at_once_and_its_counts_are_removed_afterwards(world: World) -> None:
    canary = world.begin()
    world.controller.poll()
    world.count(canary, 300, failed=200)
    world.controller.poll()
    assert world.actions() == ["start", "abort"]
    world.controller.poll()
    assert not (world.folder / "counts" / "m").exists()


def test_an_abort_holds_for_the_workers_while_the_registry_cannot_be_written(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shelf = RegistryShelf(world.folder / "models", ("m",), world.outcomes.is_aborted)
    canary = world.begin()
    world.controller.poll()
    world.count(canary, 300, failed=200)
    assert shelf.published("m").canary is not None

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken, caplog.at_level(logging.ERROR, "serving"):
        broken.setattr(world.registry, "roll", full)
        world.controller.poll()
        world.controller.poll()
    assert world.actions() == ["start"]
    assert sum("tried again" in record.message for record in caplog.records) == 1
    assert shelf.published("m").canary is None
    world.controller.poll()
    assert world.actions() == ["start", "abort"]
    world.begin()
    assert shelf.published("m").canary is not None, "another start is another canary"


def test_a_restarted_controller_does_not_take_the_same_look_twice(world: World) -> None:
    canary = world.begin()
    world.controller.poll()
    world.count(canary, 300, failed=200)
    world.started().poll()
    assert world.actions() == ["start"], "it may have been taken before the restart"
    world.count(canary, 300, failed=200)
    restarted = world.started()
    restarted.poll()
    shutil.rmtree(stage_folder(world.folder / "counts", "m", Split.of("m", canary)))
    world.count(canary, 900, failed=600)
    restarted.poll()
    assert world.actions() == ["start", "abort"]
