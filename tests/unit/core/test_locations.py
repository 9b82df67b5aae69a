"""Files are read and written the same by path and by address."""

from pathlib import Path

import pytest

from core import digest
from core.errors import ConfigError
from core.object_stores import locations
from core.object_stores.locations import Location


@pytest.fixture(params=["path", "address"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    return tmp_path if request.param == "path" else request.getfixturevalue("bucket")


def test_a_file_is_written_read_copied_and_removed(folder: Location, tmp_path: Path) -> None:
    place = locations.join(folder, "Split-train", "a.gz")
    with pytest.raises(FileNotFoundError):
        locations.read(place)
    with pytest.raises(FileNotFoundError):
        locations.size(place)
    with locations.scratch(folder) as scratch:
        (scratch / "a.gz").write_bytes(b"first")
        assert locations.publish(scratch / "a.gz", place) == digest.of_bytes(b"first")
    locations.write(place, b"content")
    locations.write(locations.join(folder, "b"), b"")
    assert locations.read(place) == b"content"
    assert locations.size(place) == 7
    assert locations.opened(place).read() == b"content"
    assert locations.files(folder) == ["Split-train/a.gz", "b"]
    with locations.on_disk(place) as path:
        assert path.read_bytes() == b"content"
    locations.copy_here(folder, tmp_path / "copy")
    assert (tmp_path / "copy" / "Split-train" / "a.gz").read_bytes() == b"content"
    locations.remove(locations.join(folder, "Split-train"))
    assert "Split-train/a.gz" not in locations.files(folder)


def test_what_a_platform_mounts_has_an_address() -> None:
    assert locations.remote("/gcs/bucket/a/b", "the output") == "gs://bucket/a/b"
    assert locations.remote("/s3/bucket/a", "the output") == "s3://bucket/a"
    assert locations.remote("/minio/bucket/a", "the output") == "s3://bucket/a"
    assert locations.remote("s3://bucket/a", "the output") == "s3://bucket/a"
    with pytest.raises(ConfigError, match=r"do not see the output /tmp/a: .*shared_disk: true"):
        locations.remote("/tmp/a", "the output")
