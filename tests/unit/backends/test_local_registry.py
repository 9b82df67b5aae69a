"""Promises of the local registry beyond the contract of all registries."""

import errno
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from core.backends.local_registry import LocalRegistry
from core.backends.registry import open_registry
from core.errors import RegistryError
from tests.unit.backends.registries import FROZEN, model


@pytest.fixture
def registry(tmp_path: Path) -> LocalRegistry:
    return LocalRegistry(tmp_path / "models", clock=lambda: FROZEN)


def test_files_and_copies_that_were_never_published_do_not_count(registry: LocalRegistry, tmp_path: Path) -> None:
    first = registry.publish("m", model(tmp_path / "a"), {})
    shutil.copytree(first.path, first.path.parent / "5")
    model(first.path.parent / "6")
    assert registry.versions("m") == [first]
    (first.path / "extra").write_text("x")
    assert registry.versions("m") == []
    assert "not in the manifest" in registry.problems("m")[0]


def test_nothing_is_renamed_before_it_is_on_the_disk(
    registry: LocalRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut can only lose a version whose publish has not returned."""
    synced: set[str] = set()
    fsync, rename = os.fsync, os.rename
    renamed: list[str] = []

    def recording_fsync(handle: int) -> None:
        fsync(handle)
        synced.add(str(Path(f"/proc/self/fd/{handle}").readlink()))

    def checking_rename(source: Path, target: Path) -> None:
        below = {str(path) for path in [Path(source), *Path(source).rglob("*")]}
        assert below <= synced
        synced.discard(str(Path(target).parent))
        rename(source, target)
        renamed.append(str(target))

    monkeypatch.setattr(os, "fsync", recording_fsync)
    monkeypatch.setattr(os, "rename", checking_rename)
    version = registry.publish("m", model(tmp_path / "a"), {})
    assert renamed == [str(version.path)]
    assert str(version.path.parent) in synced


def test_a_folder_that_refuses_writing_is_named_with_its_mode() -> None:
    """Root may write anywhere, so the test drops its privileges where it can."""
    with tempfile.TemporaryDirectory() as outer:
        Path(outer).chmod(0o755)
        root = Path(outer, "models")
        root.mkdir(mode=0o555)
        user = os.geteuid()
        os.seteuid(user or 65534)
        try:
            with pytest.raises(RegistryError, match=rf"{root}: wanted a folder to write models to \(mode 0555"):
                LocalRegistry(root).check_writable("m")
        finally:
            os.seteuid(user)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EACCES])
def test_a_disk_error_names_the_path(
    registry: LocalRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    source = model(tmp_path / "a")

    def fail(path: Path, mode: int = 0o777) -> None:
        raise OSError(code, os.strerror(code), str(path))

    (registry.root / "m").mkdir(parents=True)
    monkeypatch.setattr(os, "mkdir", fail)
    with pytest.raises(RegistryError, match=rf"{registry.root}/m/.staging-1: {os.strerror(code)}"):
        registry.publish("m", source, {})


def test_an_address_that_no_backend_knows_is_refused() -> None:
    with pytest.raises(RegistryError, match="file:// address"):
        open_registry("ftp://host/models")
