"""TensorFlow Serving's model configuration: a path without a version must always mean the champion."""

from collections.abc import Collection
from pathlib import Path

import pytest
from text_proto import read_models

from core.backends.local_registry import LocalRegistry
from serving.tfserving.model_config import Listed, ModelConfig, text
from serving.versions import mirror_progress
from serving.versions.shelf import RegistryShelf


class World:
    """A registry, the file, and which versions answer."""

    def __init__(self, folder: Path) -> None:
        self.registry = LocalRegistry(folder / "models")
        self.path = folder / "models.config"
        self.answers: dict[str, Collection[int]] = {}
        self.config = ModelConfig(
            self.path, self.registry.root, RegistryShelf(self.registry.root), lambda name: self.answers.get(name, ())
        )

    def publish(self, content: str, *, promote: bool = True, name: str = "delay") -> None:
        exported = self.registry.root.with_name(f"exported-{name}-{content}")
        exported.mkdir()
        (exported / "saved_model.pb").write_text(content)
        version = self.registry.publish(name, exported, {}).version
        if promote:
            self.registry.promote(name, version)

    def listed(self, name: str = "delay") -> tuple[list[int], dict[str, int]]:
        self.config.update()
        model = read_models(self.path.read_text())[name]
        assert model["base_path"] == str(self.registry.root / name)
        return model["versions"], model["labels"]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_the_champion_is_the_highest_version_of_the_list(world: World) -> None:
    for content in ("1", "2", "3", "4", "5"):
        world.publish(content, promote=content in "14")
    assert world.listed() == ([2, 3, 4], {})


def test_after_a_rollback_nothing_above_the_champion_is_listed(world: World) -> None:
    for content in ("1", "2", "3"):
        world.publish(content)
    assert world.listed()[0] == [1, 2, 3]
    world.registry.rollback("delay")
    assert world.listed()[0] == [1, 2]
    world.registry.rollback("delay")
    assert world.listed()[0] == [1]


def test_labels_name_a_version_only_once_it_answers(world: World) -> None:
    world.publish("1")
    assert world.listed() == ([1], {})
    world.answers["delay"] = {1}
    assert world.listed() == ([1], {"champion": 1, "stable": 1})
    world.publish("2")
    assert world.listed() == ([1, 2], {"champion": 1, "stable": 1})
    world.answers["delay"] = {1, 2}
    assert world.listed() == ([1, 2], {"champion": 2, "stable": 2})
    world.registry.rollback("delay")
    assert world.listed() == ([1], {"champion": 1, "stable": 1})


def test_a_version_that_is_not_whole_is_never_listed(world: World) -> None:
    for content in ("1", "2", "3"):
        world.publish(content)
    (world.registry.root / "delay" / "2" / "saved_model.pb").write_text("half")
    assert world.listed()[0] == [1, 3]
    (world.registry.root / "delay" / "3" / "saved_model.pb").write_text("other")
    assert world.listed()[0] == [1, 3], "what is loaded stays"
    world.registry.rollback("delay")
    assert world.listed()[0] == [1]


def test_a_model_that_cannot_be_read_stays_and_stops_no_other(world: World) -> None:
    world.publish("1")
    world.publish("1", name="other")
    world.config.update()
    (world.registry.root / "delay" / "champion.json").write_text("{")
    world.publish("2", name="other")
    assert world.listed("delay")[0] == [1]
    assert world.listed("other")[0] == [1, 2]


def test_the_file_is_written_only_when_something_changed(world: World) -> None:
    world.publish("1")
    world.config.update()
    before = world.path.stat()
    world.config.update()
    assert world.path.stat().st_ino == before.st_ino


def test_any_folder_name_can_be_written(tmp_path: Path) -> None:
    folder = tmp_path / 'a "quoted" \\ päth'
    written = text({"delay": Listed(folder, (1,))})
    assert written.isascii()
    assert read_models(written)["delay"]["base_path"] == str(folder)
    assert read_models(text({})) == {}


def test_readiness_says_what_is_missing(world: World) -> None:
    assert world.config.waiting_for() == "no model is in production yet"
    mirror_progress.write(world.registry.root.parent, mirror_progress.Progress())
    world.publish("1")
    world.publish("1", name="other")
    world.config.update()
    world.answers["delay"] = {1}
    assert world.config.waiting_for() == "other: no version of it answers"
    world.answers["other"] = {1}
    mirror_progress.write(world.registry.root, mirror_progress.Progress(whole=False, trouble="being read"))
    assert world.config.waiting_for() == "being read"
    mirror_progress.write(world.registry.root, mirror_progress.Progress())
    assert world.config.waiting_for() == ""
    world.publish("1", name="third")
    world.config.update()
    assert world.config.waiting_for() == "", "a model that joins later does not stop the others"
    world.answers["delay"] = ()
    assert world.config.waiting_for() == "delay: no version of it answers"
