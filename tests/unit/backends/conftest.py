from pathlib import Path

import pytest

from tests.unit.backends.registries import Folder, Place, Store


@pytest.fixture(params=["folder", "object store"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A registry of each kind: what one promises, the other does."""
    if request.param == "folder":
        return Folder.at(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    return Store.at(request.getfixturevalue("bucket"), tmp_path)
