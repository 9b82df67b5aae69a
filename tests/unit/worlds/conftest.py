import functools
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fake_kfp import FakeKfp, FakeMetadata, served
from fake_vertex import FakeVertex
from served_project import NAME, Project, settings

from core import images
from core.store import Store
from mlops.actions.endpoint import verbs
from mlops.worlds.kfp_connection import Connection
from mlops.worlds.vertex import api, operations
from tests.google_storage import BUCKET, GoogleStorage, Served, Stored
from tests.loopback import Loopback


@pytest.fixture(autouse=True, scope="session")
def _sources_once() -> Iterator[None]:
    """Read the sources once: no test changes them, and each submission asks for the digest of a thousand files."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(images, "content_digest", functools.cache(images.content_digest))
        yield


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


@pytest.fixture(scope="session")
def registered(
    google_storage_server: tuple[GoogleStorage, Loopback, str], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Stored]:
    """The objects of a registry with two versions, the first in production, by their names below its root."""
    storage, _, url = google_storage_server
    root = uuid.uuid4().hex
    vertex = FakeVertex()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORAGE_EMULATOR_HOST", url)
        scratch = tmp_path_factory.mktemp("registered")
        made = Project(vertex, Loopback(vertex.answer), settings(f"gs://{BUCKET}/{root}", url), scratch)
        first = made.publish("one")
        made.publish("two")
        made.registry.promote(NAME, first.version)
    names = [name for name in storage.buckets[BUCKET] if name.startswith(f"{root}/")]
    return {name.removeprefix(f"{root}/"): storage.buckets[BUCKET].pop(name) for name in names}


@pytest.fixture
def project(
    google_storage: Served, registered: dict[str, Stored], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Project]:
    """A project with version 1 in production and version 2 beside it; nothing of them is at Vertex AI yet."""
    monkeypatch.setattr(api, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(operations, "PAUSE", 0.01)
    monkeypatch.setattr(verbs, "POLL", 0.01)
    vertex = FakeVertex()
    loopback = Loopback(vertex.answer)
    with loopback.served() as url:
        root = google_storage.address.removeprefix(f"gs://{BUCKET}/")
        for name, stored in registered.items():
            google_storage.storage.buckets[BUCKET][f"{root}/{name}"] = replace(stored, name=f"{root}/{name}")
        yield Project(vertex, loopback, settings(google_storage.address, url), tmp_path)
