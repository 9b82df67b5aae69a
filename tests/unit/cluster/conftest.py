import copy
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops.cluster.access import credentials
from mlops.cluster.health import rollout
from mlops.cluster.images import builds
from mlops.cluster.lifecycle import preflight
from mlops.cluster.lifecycle.up import up
from mlops.cluster.programs import commands
from tests.unit.cluster.standin import serving
from tests.unit.cluster.world import World


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A machine on which everything is well; no registry answers, and nothing final is waited out."""
    _quicken(monkeypatch)
    world = World(tmp_path)
    with serving(world.machine, world.bin):
        yield world
    assert not [line for line in world.lines() if line.startswith("docker pull")], (
        "an image of the local Docker is never pulled again"
    )


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A machine on which the cluster was brought up once; to be copied, never used."""
    world = World(tmp_path_factory.mktemp("first"))
    with pytest.MonkeyPatch.context() as monkeypatch, serving(world.machine, world.bin):
        _quicken(monkeypatch)
        up(world.site())
    return world


@pytest.fixture
def risen(world: World, first: World) -> World:
    """A machine on which the cluster is up, and no call was made since."""
    shutil.copytree(first.home, world.home)
    world.machine.state = copy.deepcopy(first.state)
    return world


def _quicken(monkeypatch: pytest.MonkeyPatch) -> None:
    # With a function to call in the child Python forks, which takes 40 ms once an earlier test has imported TensorFlow;
    # `test_a_program_dies_with_its_caller` tests that function in a process of its own.
    for module in (commands, builds):
        monkeypatch.setattr(module, "die_with_parent", None)
    monkeypatch.setattr(preflight, "is_reachable", lambda _: False)
    for name in ("DISK_AT_FIRST", "ARCHIVE", "DISK_LATER"):
        monkeypatch.setattr(preflight, name, 0)
    monkeypatch.setattr(rollout, "PATIENCE", 0.0)
    monkeypatch.setattr(
        credentials.secrets, "token_hex", lambda size: "5e" * size
    )  # so that two machines can be compared
