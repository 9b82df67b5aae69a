import copy
import functools
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from core import images
from mlops.cluster.access import credentials
from mlops.cluster.health import rollout
from mlops.cluster.images import builds, project
from mlops.cluster.lifecycle import preflight
from mlops.cluster.lifecycle.up import up
from mlops.cluster.programs import commands
from tests.unit.cluster.standin import serving
from tests.unit.cluster.world import World


@pytest.fixture(autouse=True, scope="session")
def _sources_once() -> Iterator[None]:
    """Read and pack the sources once: no test changes them, and each build asks for the digest and an archive of all.

    The original is `inspect.unwrap(builds.context)`.
    """
    pack, digest = builds.context, functools.cache(images.content_digest)
    packed = functools.cache(lambda: pack({}))

    @functools.wraps(pack)
    def context(environment: Mapping[str, str]) -> bytes:
        return pack(environment) if environment.get("MLOPS_IMAGE_CA_BUNDLE") else packed()

    with pytest.MonkeyPatch.context() as patch:
        for module in (images, project):
            patch.setattr(module, "content_digest", digest)
        patch.setattr(builds, "context", context)
        yield


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
