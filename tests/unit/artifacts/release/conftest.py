from pathlib import Path

import pytest

from tests.unit.artifacts.release.planted import Shop


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """In a folder."""
    return Shop(str(tmp_path / "store"), tmp_path)


@pytest.fixture(params=["folder", "S3", "Google Cloud Storage"])
def any_shop(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """In a store of each kind."""
    if request.param == "folder":
        return Shop(str(tmp_path / "store"), tmp_path)
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    is_s3 = request.param == "S3"
    address = request.getfixturevalue("bucket") if is_s3 else request.getfixturevalue("google_storage").address
    return Shop(address, tmp_path)
