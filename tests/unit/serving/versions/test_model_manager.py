"""The version in production answers; an incomplete one never does, and the version before it stays."""

import json
import logging
import shutil
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.errors import RegistryError
from serving.metrics import Metrics
from serving.models.savedmodel import SavedModel
from serving.models.warm_up import warm_up
from serving.versions.loaded import load_version
from serving.versions.manager import ModelManager, Watch
from serving.versions.shelf import Published, RegistryShelf, Verified
from tests.unit.serving.in_process_server import InProcessServer

ROW: dict[str, Any] = {"carrier": "AA", "hour": 17, "distance": 1089.0, "temp": 55.9}
StartServer = Callable[..., InProcessServer]


def ask(server: InProcessServer, path: str = "delay") -> float:
    response = server.client.post(f"/v1/models/{path}:predict", json={"instances": [ROW]})
    assert response.status_code == 200, response.text
    value = response.json()["predictions"][0][0]
    assert isinstance(value, float)
    return value


def test_a_promotion_and_a_rollback_are_followed(start_server: StartServer, exported: Path) -> None:
    server = start_server(delay=exported / "a")
    first = ask(server)
    version = server.registry.publish("delay", exported / "b", {})
    server.manager.poll()
    assert ask(server) == first
    second = ask(server, "delay/versions/2")
    assert second != first
    server.registry.promote("delay", version.version)
    server.manager.poll()
    assert ask(server) == second == ask(server, "delay/labels/champion")
    server.registry.rollback("delay")
    server.manager.poll()
    assert ask(server) == first


def test_the_champion_does_not_wait_for_the_others_to_be_loaded(
    start_server: StartServer, exported: Path, tmp_path: Path
) -> None:
    server = start_server(delay=exported / "a")
    for number in (2, 3):
        folder = shutil.copytree(exported / "b", tmp_path / f"b{number}")
        (folder / "assets.extra" / "note.txt").write_text(str(number))
        server.registry.publish("delay", folder, {})
    answering: list[int] = []
    loads = 0

    def counted(verified: Verified) -> SavedModel:
        nonlocal loads
        if loads:
            answering.append(manager.status("delay", None, "champion")[0].version)
        loads += 1
        return load_version(verified)

    manager = ModelManager(RegistryShelf(server.root), counted, Metrics(), Watch(seconds=3600))
    manager.poll()
    assert (loads, answering) == (3, [1, 1])


@pytest.mark.known_failure(14)
def test_a_version_that_is_let_go_leaves_no_graph_behind(exported: Path) -> None:
    model = SavedModel(exported / "a")
    graph = weakref.ref(model._session.graph)
    warm_up(model, exported / "a")
    model.close()
    assert graph() is None


def test_only_the_champion_and_the_newest_stay_loaded(
    start_server: StartServer, exported: Path, tmp_path: Path
) -> None:
    server = start_server(delay=exported / "a")
    for number in range(2, 6):
        folder = shutil.copytree(exported / "b", tmp_path / f"b{number}")
        (folder / "assets.extra" / "note.txt").write_text(str(number))
        server.registry.publish("delay", folder, {})
    server.manager.poll()
    listed = server.client.get("/v1/models/delay").json()["model_version_status"]
    assert [entry["version"] for entry in listed] == ["5", "4", "1"]
    text = server.client.get("/metrics").text
    assert 'mlops_serving_loaded{model="delay",version="1"} 1.0' in text
    assert 'mlops_serving_loaded{model="delay",version="5"} 1.0' in text
    assert 'mlops_serving_loaded{model="delay",version="3"}' not in text


def break_weights(folder: Path) -> None:
    data = next((folder / "variables").glob("*.data-*"))
    content = bytearray(data.read_bytes())
    content[len(content) // 2] ^= 1
    data.write_bytes(content)


DAMAGE: list[tuple[str, Callable[[Path], object], str]] = [
    ("one bit of the weights", break_weights, "wanted sha256:"),
    ("no variables", lambda folder: shutil.rmtree(folder / "variables"), "missing; roll back"),
    (
        "half a graph",
        lambda folder: (folder / "saved_model.pb").write_bytes((folder / "saved_model.pb").read_bytes()[:200]),
        "saved_model.pb: wanted sha256:",
    ),
    (
        "no manifest",
        lambda folder: (folder / "manifest.json").unlink(),
        "it was never published",
    ),
    ("half a manifest", lambda folder: (folder / "manifest.json").write_text('{"name":'), "wanted a manifest"),
    ("a file too many", lambda folder: (folder / "assets.extra" / "extra.txt").write_text("x"), "not in the manifest"),
]


@pytest.mark.parametrize(("damage", "error"), [row[1:] for row in DAMAGE], ids=[row[0] for row in DAMAGE])
@pytest.mark.known_failure(13)
def test_a_damaged_champion_is_not_loaded_and_the_old_one_answers(
    start_server: StartServer,
    exported: Path,
    damage: Callable[[Path], object],
    error: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = start_server(delay=exported / "a")
    first = ask(server)
    version = server.push("delay", exported / "b")
    damage(version.path)
    with caplog.at_level(logging.ERROR, "serving"):
        server.manager.poll()
    assert ask(server) == first
    [broken, whole] = server.client.get("/v1/models/delay").json()["model_version_status"]
    assert (broken["version"], broken["state"], broken["status"]["error_code"]) == ("2", "END", "DATA_LOSS")
    assert error in broken["status"]["error_message"]
    assert whole["state"] == "AVAILABLE"
    text = server.client.get("/metrics").text
    assert 'mlops_serving_load_failures_total{model="delay",version="2"} 1.0' in text
    assert 'mlops_serving_champion_not_loaded{model="delay"} 1.0' in text
    assert "version 2 is in production but cannot be loaded, version 1 answers" in caplog.text
    server.manager.poll()
    assert 'mlops_serving_load_failures_total{model="delay",version="2"} 1.0' in server.client.get("/metrics").text, (
        "tried again with nothing changed"
    )


@pytest.mark.known_failure(12)
def test_a_folder_that_was_never_published_is_no_version(start_server: StartServer, exported: Path) -> None:
    server = start_server(delay=exported / "a")
    shutil.copytree(exported / "b", server.root / "delay" / "7")
    shutil.copytree(exported / "b", server.root / "delay" / "007")
    shutil.copytree(exported / "b", server.root / "delay" / ".staging-8")
    server.manager.poll()
    states = {
        entry["version"]: entry["state"]
        for entry in server.client.get("/v1/models/delay").json()["model_version_status"]
    }
    assert states == {"7": "END", "1": "AVAILABLE"}
    assert server.client.post("/v1/models/delay/versions/7:predict", json={"instances": [ROW]}).status_code == 404


def test_a_version_that_was_mended_is_loaded(start_server: StartServer, exported: Path) -> None:
    server = start_server(delay=exported / "a")
    version = server.push("delay", exported / "b")
    graph = (version.path / "saved_model.pb").read_bytes()
    (version.path / "saved_model.pb").write_bytes(graph[:100])
    server.manager.poll()
    first = ask(server)
    (version.path / "saved_model.pb").write_bytes(graph)
    server.manager.poll()
    assert ask(server) != first
    assert 'mlops_serving_champion_not_loaded{model="delay"} 0.0' in server.client.get("/metrics").text


def test_a_broken_pointer_leaves_everything_as_it_was(start_server: StartServer, exported: Path) -> None:
    server = start_server(delay=exported / "a")
    first = ask(server)
    (server.root / "delay" / "champion.json").write_text('{"champion": {"version": "../../etc"')
    server.manager.poll()
    assert ask(server) == first


def test_a_model_that_reaches_for_files_is_not_loaded(start_server: StartServer, exported: Path) -> None:
    server = start_server(reader=exported / "reader")
    response = server.client.post("/v1/models/reader:predict", json={"instances": ["/etc/passwd"]})
    assert response.status_code == 503
    assert "its graph holds ReadFile" in response.json()["error"]
    assert server.client.get("/readyz").status_code == 503


def test_a_model_whose_weights_are_not_numbers_does_not_replace_one_that_works(
    start_server: StartServer, exported: Path, tmp_path: Path
) -> None:
    import tiny_models

    server = start_server(delay=exported / "a")
    first = ask(server)
    server.push("delay", tiny_models.export_delay(tmp_path / "nan", bias=float("nan")))
    server.manager.poll()
    assert ask(server) == first
    assert (
        "not finite"
        in server.client.get("/v1/models/delay/versions/2").json()["model_version_status"][0]["status"]["error_message"]
    )


def test_nothing_in_production_yet_is_an_error(start_server: StartServer, exported: Path) -> None:
    server = start_server()
    assert server.client.get("/readyz").status_code == 503
    server.registry.publish("delay", exported / "a", {})
    server.manager.poll()
    response = server.client.post("/v1/models/delay:predict", json={"instances": [ROW]})
    assert (response.status_code, response.json()["error"]) == (503, "delay: no version is in production yet")
    assert ask(server, "delay/versions/1") > 0


class FakeModel:
    """A model that knows only whether it was closed."""

    def __init__(self) -> None:
        self.closed = threading.Event()

    def close(self) -> None:
        self.closed.set()


class FakeShelf:
    """A shelf whose champion the test moves."""

    champion = 1

    def names(self) -> tuple[str, ...]:
        return ("m",)

    def published(self, name: str) -> Published:
        return Published(self.champion, (self.champion,))

    def stamp(self, name: str, version: int) -> int:
        return version

    def verify(self, name: str, version: int) -> Verified:
        if version == 13:
            raise RegistryError("unlucky")
        return Verified(Path(str(version)), None)


def test_an_old_version_is_closed_when_its_last_request_is_done() -> None:
    shelf, models = FakeShelf(), {}
    manager = ModelManager(
        shelf, lambda verified: models.setdefault(str(verified.path), FakeModel()), Metrics(), Watch(others=0)
    )
    manager.poll()
    with manager.lease("m", None, None) as lease:
        assert lease.version == 1
        shelf.champion = 2
        manager.poll()
        with manager.lease("m", None, None) as newer:
            assert newer.version == 2
        assert not models["1"].closed.is_set()
    assert models["1"].closed.is_set()
    assert not models["2"].closed.is_set()
    shelf.champion = 13
    manager.poll()
    with manager.lease("m", None, None) as lease:
        assert lease.version == 2
    manager.stop()
    assert models["2"].closed.is_set()


def test_the_parsing_code_does_not_import_tensorflow() -> None:
    import subprocess
    import sys

    code = (
        "import sys, json, serving.http.server; "
        "print(json.dumps(sorted({'tensorflow', 'kfp', 'pyarrow', 'pandas'} & set(sys.modules))))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(ran.stdout) == []
