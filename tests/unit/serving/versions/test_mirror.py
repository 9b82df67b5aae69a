"""The mirror: copies are complete, loaded versions keep answering, and an unreachable store shows only in the log."""

import contextlib
import json
import logging
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from core import objects
from core.backends import rollout
from core.backends.canary import CanaryPlan, Note
from core.backends.local_registry import LocalRegistry
from core.backends.object_registry import ObjectRegistry
from core.backends.production import Production
from core.backends.registry import ModelVersion
from core.errors import CorruptArtifact, RegistryError, StoreError
from serving.metrics import Metrics
from serving.versions import mirror_progress
from serving.versions.mirror import Following, Mirror
from serving.versions.retry import Retry
from serving.versions.shelf import RegistryShelf
from serving.versions.split import Split
from tests.object_store import Calls

NAMES = ("delay",)


def export(folder: Path, content: str) -> Path:
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_text(content)
    (folder / "variables" / "variables.index").write_text(content * 10)
    return folder


@dataclass
class Store:
    """A remote registry, like one in an object store: versions are copied into a folder atomically."""

    far: LocalRegistry
    near: Path
    away: bool = False
    broken: set[int] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)

    def names(self) -> list[str]:
        self._reach("names")
        return self.far.names()

    def numbers(self, name: str) -> list[int]:
        self._reach("numbers")
        return [version.version for version in self.far.versions(name)]

    def state(self, name: str) -> Production:
        self._reach("pointer")
        return self.far.state(name)

    def get(self, name: str, version: int) -> ModelVersion:
        self._reach(f"get {version}")
        if version in self.broken:
            raise CorruptArtifact(f"{name}/{version}/saved_model.pb: missing")
        found = self.far.get(name, version)
        with contextlib.suppress(CorruptArtifact, RegistryError):
            return LocalRegistry(self.near).get(name, version)
        shutil.rmtree(self.near / name / str(version), ignore_errors=True)
        staged = self.near / name / f".staging-{version}"
        staged.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(staged, ignore_errors=True)
        shutil.copytree(found.path, staged)
        staged.rename(self.near / name / str(version))
        return LocalRegistry(self.near).get(name, version)

    def publish(self, content: str, *, promote: bool = True, name: str = "delay") -> int:
        exported = self.near.with_name(f"exported-{name}-{content}")
        version = self.far.publish(name, exported if exported.exists() else export(exported, content), {}).version
        if promote:
            self.far.promote(name, version)
        return version

    def _reach(self, what: str) -> None:
        self.asked.append(what)
        if self.away:
            raise StoreError(f"s3://bucket/models: connection refused, {len(self.asked)} times")


@dataclass
class World:
    store: Store
    near: Path
    metrics: Metrics

    def mirror(self, **following: object) -> Mirror:
        return Mirror(self.store, self.near, self.metrics, Following("s3://bucket/models", **following))  # type: ignore[arg-type]

    def here(self, name: str = "delay") -> tuple[int | None, tuple[int, ...]]:
        """What a worker sees, every version of it checked."""
        source = RegistryShelf(self.near, (name,))
        champion, versions, _ = source.published(name)
        for version in versions:
            source.verify(name, version)
        return champion, versions

    def text(self) -> str:
        return self.metrics.text().decode()


@pytest.fixture
def world(tmp_path: Path) -> World:
    near = tmp_path / "near"
    near.mkdir()
    mirror_progress.write(near, mirror_progress.Progress(whole=False, trouble="is being read for the first time"))
    return World(Store(LocalRegistry(tmp_path / "far"), near), near, Metrics())


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    logger = logging.getLogger("serving")
    logger.propagate, before = True, logger.propagate
    with caplog.at_level(logging.INFO, "serving"):
        yield caplog
    logger.propagate = before


def test_an_empty_folder_gets_the_champion_and_the_newest_others(world: World) -> None:
    for content in ("one", "two", "three", "four"):
        world.store.publish(content, promote=content == "two")
    assert world.mirror().poll() == 1.0
    assert world.here() == (2, (2, 3, 4))
    assert LocalRegistry(world.near).champion("delay").digest == world.store.far.champion("delay").digest  # type: ignore[union-attr]
    assert mirror_progress.read(world.near) == mirror_progress.Progress()


def test_promotion_rollback_and_pruning_are_followed(world: World) -> None:
    mirror = world.mirror(others=1)
    seen = []
    for content in ("one", "two", "three"):
        world.store.publish(content)
        mirror.poll()
        seen.append(world.here())
    world.store.far.rollback("delay")
    mirror.poll()
    assert seen == [(1, (1,)), (2, (2,)), (3, (3,))]
    assert world.here() == (2, (2, 3))
    assert 'mlops_serving_mirrored_versions_total{model="delay"} 4.0' in world.text()


def test_a_look_at_a_store_that_did_not_change_reads_no_version_and_writes_nothing(world: World) -> None:
    world.store.publish("one")
    mirror = world.mirror(names=NAMES)
    mirror.poll()
    world.store.asked.clear()
    before = {path: path.stat().st_mtime_ns for path in world.near.rglob("*")}
    mirror.poll()
    assert world.store.asked == ["pointer", "numbers"]
    assert {path: path.stat().st_mtime_ns for path in world.near.rglob("*")} == before


def test_only_what_is_in_production_is_followed(world: World) -> None:
    world.store.publish("one")
    world.store.publish("other", promote=False, name="draft")
    world.mirror().poll()
    assert LocalRegistry(world.near).names() == ["delay"]


def test_while_the_store_is_away_what_is_here_is_served_and_it_is_logged_once(
    world: World, log: pytest.LogCaptureFixture
) -> None:
    world.store.publish("one")
    mirror = world.mirror()
    mirror.poll()
    world.store.away = True
    random.seed(1)
    pauses = [mirror.poll() for _ in range(8)]
    assert world.here() == (1, (1,))
    assert [record.levelname for record in log.records].count("ERROR") == 1
    assert "s3://bucket/models cannot be read" in log.text
    assert 'mlops_serving_mirror_failures_total{store="s3://bucket/models"} 8.0' in world.text()
    assert all(
        0.5 * bound <= pause <= bound for pause, bound in zip(pauses, [2, 4, 8, 16, 30, 30, 30, 30], strict=True)
    )
    assert len({round(pause, 6) for pause in pauses[4:]}) == 4, "servers must not come back at one time"
    assert RegistryShelf(world.near).missing() == "", "a server that has models takes requests without the store"
    world.store.away = False
    world.store.publish("two")
    assert mirror.poll() == 1.0
    assert world.here() == (2, (1, 2))
    assert mirror_progress.read(world.near).trouble == ""


def test_a_new_server_says_why_it_has_nothing_to_serve(world: World) -> None:
    assert "first time" in RegistryShelf(world.near).missing()
    world.store.away = True
    world.mirror().poll()
    assert "connection refused" in RegistryShelf(world.near).missing()


def test_a_version_that_is_not_whole_in_the_store_never_comes_here(world: World, log: pytest.LogCaptureFixture) -> None:
    world.store.publish("one")
    mirror = world.mirror(retry=Retry(first_seconds=60.0))
    mirror.poll()
    version = world.store.publish("two")
    world.store.broken.add(version)
    for _ in range(3):
        mirror.poll()
    assert world.here() == (1, (1,))
    assert world.store.asked.count("get 2") == 1, "a broken version is not read again and again"
    assert "version 2 is not copied" in log.text
    assert 'mlops_serving_mirror_refused_versions_total{model="delay",version="2"} 1.0' in world.text()
    world.store.broken.clear()
    world.mirror().poll()
    assert world.here() == (2, (1, 2))


def test_a_version_that_is_not_the_one_in_production_is_not_pointed_to(world: World) -> None:
    world.store.publish("one")
    mirror = world.mirror()
    mirror.poll()
    world.store.publish("two")
    pointer = world.store.far.root / "delay" / "champion.json"
    state = json.loads(pointer.read_bytes())
    state["champion"]["digest"] = "sha256:" + "0" * 64
    pointer.write_text(json.dumps(state))
    mirror.poll()
    assert world.here() == (1, (1,))


def test_one_model_that_is_broken_does_not_stop_the_others(world: World) -> None:
    world.store.broken.add(world.store.publish("one", name="a"))
    world.store.broken.add(world.store.publish("two", name="a"))
    world.store.publish("x", name="z")
    world.store.publish("y", name="z")
    world.store.publish("w", name="z")
    world.mirror(others=1).poll()
    assert world.here("z")[0] == 3


def test_what_a_predecessor_left_is_checked_and_taken_or_replaced(world: World) -> None:
    world.store.publish("one")
    world.store.publish("two")
    world.mirror().poll()
    (world.near / "delay" / "2" / "saved_model.pb").write_text("half")
    (world.near / "delay" / ".staging-3").mkdir()
    (world.near / "delay" / ".staging-3" / "saved_model.pb").write_text("half")
    world.store.asked.clear()
    world.store.publish("three")
    world.mirror().poll()
    assert world.here() == (3, (2, 3))
    assert [what for what in world.store.asked if what.startswith("get")] == ["get 3", "get 2"]
    assert (world.near / "delay" / "2" / "saved_model.pb").read_text() == "two"
    assert not list((world.near / "delay").glob(".staging-*"))


KILLED = """
import itertools, os, sys
from pathlib import Path
from core.backends import rollout
from core.backends.canary import CanaryPlan, Note
from core.backends.local_registry import LocalRegistry
from serving.metrics import Metrics
from serving.versions.mirror import Following, Mirror
from serving.versions.retry import Retry
from test_mirror import Store

far, near = Path(sys.argv[1]), Path(sys.argv[2])
print("up", flush=True)
Mirror(Store(LocalRegistry(far), near), near, Metrics(), Following("s3://bucket/models")).run(lambda _: None)
"""


def test_a_canary_is_followed_with_its_version_and_its_end_at_once(world: World) -> None:
    for content in ("one", "two", "three", "four"):
        world.store.publish(content, promote=content == "one")
    source = RegistryShelf(world.near, NAMES)
    plan = CanaryPlan(steps=(5.0, 25.0))
    started = rollout.begin(world.store.far, "delay", 2, plan, Note("me"))
    world.mirror().poll()
    found = source.published("delay")
    assert (found.champion, found.versions, found.canary) == (1, (1, 2, 3, 4), Split.of("delay", started))
    rollout.set_percent(world.store.far, "delay", 25.0, Note("me"))
    world.mirror().poll()
    now = source.published("delay").canary
    assert now is not None and (now.percent, now.salt) == (25.0, Split.of("delay", started).salt)
    world.store.far.rollback("delay")
    world.store.broken = {1, 2, 3, 4}
    world.mirror().poll()
    assert source.published("delay").canary is None
    assert LocalRegistry(world.near).state("delay").rollouts == world.store.far.state("delay").rollouts


def test_a_canary_that_cannot_be_copied_is_not_tried_and_the_champion_stays(world: World) -> None:
    world.store.publish("one")
    world.store.publish("two", promote=False)
    world.store.broken = {2}
    rollout.begin(world.store.far, "delay", 2, CanaryPlan(), Note("me"))
    world.mirror().poll()
    found = RegistryShelf(world.near, NAMES).published("delay")
    assert (found.champion, found.canary) == (1, None)


def test_killed_at_any_instant_it_leaves_only_whole_versions_and_another_goes_on(world: World) -> None:
    """Versions come and go while one mirror after the other is killed; the workers' view is checked all along."""
    world.store.publish("0")
    world.mirror().poll()
    until = time.monotonic() + 4
    turn = 0
    while time.monotonic() < until:
        command = [sys.executable, "-c", KILLED, str(world.store.far.root), str(world.near)]
        environment = os.environ | {"PYTHONPATH": f"{Path(__file__).parent}:{Path(__file__).parents[3]}"}
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            for _ in range(2):
                turn += 1
                world.store.publish(str(turn))
                time.sleep(0.01 * (turn % 3))
                champion = RegistryShelf(world.near, NAMES).published("delay").champion
                assert champion is not None
            process.kill()
        champion, versions, _ = RegistryShelf(world.near, NAMES).published("delay")
        assert champion in versions
        world.here()
    world.mirror().poll()
    assert world.here()[0] == turn + 1


def test_a_registry_in_an_object_store_is_followed_for_three_calls_a_poll(bucket: str, tmp_path: Path) -> None:
    near = tmp_path / "near"
    remote = ObjectRegistry(f"{bucket}/models", near)
    elsewhere = ObjectRegistry(remote.root, tmp_path / "elsewhere")
    mirror = Mirror(remote, near, Metrics(), Following(remote.root))
    seen = []
    for content in ("one", "two", "three"):
        elsewhere.promote("delay", elsewhere.publish("delay", export(tmp_path / content, content), {}).version)
        mirror.poll()
        seen.append(RegistryShelf(near).published("delay")[:2])
    elsewhere.rollback("delay")
    mirror.poll()
    assert [*seen, RegistryShelf(near).published("delay")[:2]] == [(1, (1,)), (2, (1, 2)), (3, (2, 3)), (2, (2, 3))]
    with Calls().watching() as calls:
        mirror.poll()
    assert calls.count <= 4, calls.names
    assert not (set(calls.names) - {"list_objects_v2", "get_object"}), calls.names


def test_half_a_version_in_an_object_store_is_never_here(bucket: str, tmp_path: Path) -> None:
    near = tmp_path / "near"
    remote = ObjectRegistry(f"{bucket}/models", near)
    elsewhere = ObjectRegistry(remote.root, tmp_path / "elsewhere")
    mirror = Mirror(remote, near, Metrics(), Following(remote.root, retry=Retry(0.0, 0.0)))
    for content in ("one", "two"):
        version = elsewhere.publish("delay", export(tmp_path / content, content), {})
        elsewhere.promote("delay", version.version)
        if content == "two":
            objects.write(f"{version.address}/saved_model.pb", b"half")
        mirror.poll()
    assert RegistryShelf(near).published("delay")[:2] == (1, (1,))
    objects.write(f"{version.address}/saved_model.pb", b"two")
    mirror.poll()
    assert RegistryShelf(near).published("delay")[:2] == (2, (1, 2))
