"""One set of tiny models for the whole room: importing TensorFlow and exporting takes longer than all tests."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from core.backends.registry import open_registry
from serving.http.app import ServingApp
from serving.metrics import Metrics
from serving.versions.loaded import load_version
from serving.versions.manager import ModelManager, Watch
from serving.versions.retry import Retry
from serving.versions.shelf import RegistryShelf
from tests.unit.serving.in_process_server import LIMITS, InProcessServer


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders `a` and `b` (two versions of one model), `foreign` and `reader`."""
    import tiny_models

    folder = tmp_path_factory.mktemp("exported")
    tiny_models.export_delay(folder / "a", bias=-1.0)
    tiny_models.export_delay(folder / "b", bias=-0.5)
    tiny_models.export_foreign(folder / "foreign")
    tiny_models.export_reader(folder / "reader")
    return folder


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., InProcessServer]]:
    """Return a function that fills a new registry with champions by name, and serves it in this process."""
    servers: list[InProcessServer] = []

    def start(**champions: Path) -> InProcessServer:
        root = tmp_path / f"models{len(servers)}"
        metrics = Metrics()
        watch = Watch(seconds=3600, retry=Retry(first_seconds=3600, longest_seconds=3600))
        manager = ModelManager(RegistryShelf(root), load_version, metrics, watch)
        client = TestClient(ServingApp(manager, metrics, LIMITS).asgi, raise_server_exceptions=False)
        server = InProcessServer(root, open_registry(str(root)), manager, client)
        for name, saved_model in champions.items():
            server.push(name, saved_model)
        manager.poll()
        client.__enter__()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.client.__exit__(None, None, None)


@pytest.fixture(scope="session")
def served(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcessServer]:
    """One server for all tests that only ask: `delay` in two versions, the first in production, and `foreign`."""
    root = tmp_path_factory.mktemp("served")
    registry = open_registry(str(root))
    registry.promote("delay", registry.publish("delay", exported / "a", {}).version)
    registry.publish("delay", exported / "b", {})
    registry.promote("foreign", registry.publish("foreign", exported / "foreign", {}).version)
    metrics = Metrics()
    manager = ModelManager(RegistryShelf(root), load_version, metrics, Watch(seconds=3600))
    manager.poll()
    with TestClient(ServingApp(manager, metrics, LIMITS).asgi, raise_server_exceptions=False) as client:
        yield InProcessServer(root, registry, manager, client)
