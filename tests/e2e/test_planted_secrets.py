"""No secret of whoever starts a run is in any byte that the run leaves behind."""

import gzip
import sqlite3
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from tests.e2e.conftest import SECRETS, Road

PLANTED = {name: value.encode() for name, value in SECRETS.items()}


def contents(path: Path) -> Iterator[bytes]:
    """Yield a file's bytes as they are, and as they are when they are unpacked."""
    content = path.read_bytes()
    yield content
    if content.startswith(b"\x1f\x8b"):
        yield gzip.decompress(content)
    elif content.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(path) as archive:
            yield from (archive.read(name) for name in archive.namelist())
    elif content.startswith(b"\x78\x9c"):
        yield zlib.decompress(content)


def leaks(folder: Path) -> list[str]:
    """Return the files that hold a planted secret, by variable."""
    return [
        f"{path.relative_to(folder)}: {name}"
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
        for content in contents(path)
        for name, value in PLANTED.items()
        if value in content
    ]


def test_no_secret_is_in_parameters_logs_metadata_artifacts_or_the_compiled_file(road: Road) -> None:
    root = road.store.root
    files = [path for path in root.rglob("*") if path.is_file()]
    assert len(files) > 100
    names = {path.suffix for path in files} | {path.name for path in files}
    assert {".yaml", ".json", ".html"} <= names
    assert any(path.read_bytes()[:15] == b"SQLite format 3" for path in files)
    assert any(path.read_bytes()[:2] == b"\x1f\x8b" for path in files)
    assert leaks(root) == []


def test_the_search_finds_what_is_planted(tmp_path: Path) -> None:
    secret = PLANTED["HF_TOKEN"]
    (tmp_path / "log.txt").write_bytes(b"starting with " + secret)
    (tmp_path / "rows.gz").write_bytes(gzip.compress(b"x" * 100 + secret))
    with zipfile.ZipFile(tmp_path / "arrays.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", secret * 10)
    with sqlite3.connect(tmp_path / "metadata.sqlite") as database:
        database.execute("create table facts (value text)")
        database.execute("insert into facts values (?)", [secret.decode()])
    database.close()
    assert [line.partition(":")[0] for line in leaks(tmp_path)] == [
        "arrays.npz",
        "log.txt",
        "metadata.sqlite",
        "rows.gz",
    ]
