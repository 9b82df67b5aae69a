import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_kfp import FakeKfp, FakeMetadata, served
from fake_vertex import FakeVertex
from served_project import NAME, Project, settings

from core.store import Store
from mlops.actions.endpoint import verbs
from mlops.worlds.kfp_connection import Connection
from mlops.worlds.vertex import api, operations
from tests.google_storage import Served
from tests.loopback import Loopback


@pytest.fixture
def kfp() -> FakeKfp:
    return FakeKfp()


@pytest.fixture
def metadata() -> FakeMetadata:
    return FakeMetadata()


@pytest.fixture
def connection(kfp: FakeKfp, metadata: FakeMetadata, bucket: str) -> Iterator[Connection]:
    with served(kfp) as api, metadata.served() as address:
        yield Connection(api, address, f"{bucket}/ml-in-production", local=False)


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of compiled pipelines, and of what the stages import: each is found out once for all tests."""
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture
def store(tmp_path: Path, compiled: Path) -> Iterator[Store]:
    store = Store(tmp_path / "store")
    store.root.mkdir()
    (store.root / "compiled").symlink_to(compiled)
    imports = store.root / "imports.json"
    if (compiled / imports.name).is_file():
        shutil.copyfile(compiled / imports.name, imports)
    yield store
    if imports.is_file():
        shutil.copyfile(imports, compiled / imports.name)


@pytest.fixture
def project(google_storage: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A project with version 1 in production and version 2 beside it; nothing of them is at Vertex AI yet."""
    monkeypatch.setattr(api, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(operations, "PAUSE", 0.01)
    monkeypatch.setattr(verbs, "POLL", 0.01)
    vertex = FakeVertex()
    loopback = Loopback(vertex.answer)
    with loopback.served() as url:
        found = Project(vertex, loopback, settings(google_storage.address, url), tmp_path)
        first = found.publish("one")
        found.publish("two")
        found.registry.promote(NAME, first.version)
        loopback.requests.clear()
        yield found
