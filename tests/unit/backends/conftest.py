from pathlib import Path

import pytest

from tests.unit.backends.registries import Backend, LocalBackend, ObjectStoreBackend


@pytest.fixture(params=["folder", "S3", "Google Cloud Storage"])
def backend(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Backend:
    """An empty registry of each kind; the contract tests run on both."""
    if request.param == "folder":
        return LocalBackend.at(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    if request.param == "S3":
        return ObjectStoreBackend.at(request.getfixturevalue("bucket"), tmp_path)
    return ObjectStoreBackend.at(request.getfixturevalue("google_storage").address, tmp_path)
