"""With trusted keys, nothing of a version that none of them signed is loaded, and what answers stays."""

from collections.abc import Callable
from pathlib import Path

import pytest

from core.backends.signature import SIGNING_KEY, TRUSTED_KEYS
from serving.metrics import Metrics
from serving.models.savedmodel import SavedModel
from serving.versions.loaded import load_version
from serving.versions.manager import ModelManager, Watch
from serving.versions.shelf import RegistryShelf, Verified
from tests.signing_keys import KeyPair
from tests.unit.serving.in_process_server import InProcessServer

StartServer = Callable[..., InProcessServer]


def test_an_unsigned_champion_is_not_loaded_until_it_is_signed(
    start_server: StartServer, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start_server(delay=exported / "a")
    keys = KeyPair.made(tmp_path, "ours")
    monkeypatch.setenv(TRUSTED_KEYS, str(keys.public))
    loaded: list[Path] = []

    def seen(verified: Verified) -> SavedModel:
        loaded.append(verified.path)
        return load_version(verified)

    manager = ModelManager(RegistryShelf(server.root), seen, Metrics(), Watch(seconds=3600))
    manager.poll()
    assert loaded == []
    [status] = manager.status("delay", None, None)
    assert status.state == "END"
    assert "wanted a version signed with a key of" in status.message
    monkeypatch.setenv(SIGNING_KEY, str(keys.private))
    server.registry.sign("delay", 1)
    manager.poll()
    assert [path.name for path in loaded] == ["1"]
    assert manager.status("delay", None, "champion")[0].version == 1


def test_the_signed_version_stays_when_an_unsigned_one_is_promoted(
    start_server: StartServer, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = KeyPair.made(tmp_path, "ours")
    with monkeypatch.context() as patch:
        patch.setenv(SIGNING_KEY, str(keys.private))
        server = start_server(delay=exported / "a")
    second = server.push("delay", exported / "b")
    assert (server.registry.get("delay", 1).signed_by != "", second.signed_by) == (True, "")
    monkeypatch.setenv(TRUSTED_KEYS, str(keys.public))
    server.manager.poll()
    listed = server.client.get("/v1/models/delay").json()["model_version_status"]
    assert [(entry["version"], entry["state"]) for entry in listed] == [("2", "END"), ("1", "AVAILABLE")]
    assert server.manager.status("delay", None, "champion")[0].version == 1
