"""Copies of versions that lie elsewhere, in a folder laid out as a local registry; each is made atomically."""

import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from core import digest, durable, s3
from core.backends.local_registry import LOCK
from core.backends.manifest import FILE, REPAIR, Manifest
from core.errors import CorruptArtifact, RegistryError

Fetch = Callable[[str, Path], str]
"""Brings a file by its relative name to a path, and returns its digest."""
_WAIT_SECONDS = 600.0
"""How long one process waits while another brings a version of the same model."""


class VersionCache:
    """The copies of one registry's versions; `folder` is for this user alone where none is named."""

    def __init__(self, address: str, folder: Path | None) -> None:
        self._folder = _own_folder(address) if folder is None else folder.absolute()
        self._is_own = folder is None

    def path(self, name: str, version: int) -> Path:
        """Return where the copy of a version lies, or would."""
        return self._folder / name / str(version)

    def bring(self, written: Manifest, sizes: Mapping[str, int], fetch: Fetch) -> Path:
        """Return the folder of a version whose every byte was checked, a copy that is there already included.

        Raises CorruptArtifact when a file differs from the manifest, RegistryError when the folder cannot be written.
        """
        path = self.path(written.name, written.version)
        with self._locked(path.parent):
            if not _is_whole(path, written, sizes):
                _replace(path, _fetched(path, written, fetch))
        return path

    @contextmanager
    def _locked(self, folder: Path) -> Iterator[None]:
        try:
            if self._is_own:
                _make_private(self._folder.parent)
                _make_private(self._folder)
            folder.mkdir(parents=True, exist_ok=True)
            with durable.locked(folder / LOCK, _WAIT_SECONDS):
                yield
        except OSError as error:
            raise RegistryError(
                f"{error.filename or folder}: {error.strerror or error}; "
                "copies of models are kept there: make room, or set TMPDIR"
            ) from error


def _own_folder(address: str) -> Path:
    key = digest.of_bytes(f"{s3.endpoint()} {address}".encode()).removeprefix("sha256:")[:16]
    return Path(tempfile.gettempdir(), f"mlops-models-{os.geteuid()}", key)


def _make_private(folder: Path) -> None:
    """Make a folder that nobody else can write into; one that another user put there first is refused."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise RegistryError(
            f"{folder}: wanted a folder of this user alone for copies of models, "
            f"got mode {status.st_mode:o}, owner {status.st_uid}; remove it"
        )


def _is_whole(path: Path, written: Manifest, sizes: Mapping[str, int]) -> bool:
    try:
        if (path / FILE).read_bytes() != written.content():
            return False
        written.verify(path)
    except (OSError, CorruptArtifact):
        return False
    return all((path / name).stat().st_size == size for name, size in sizes.items())


def _fetched(path: Path, written: Manifest, fetch: Fetch) -> Path:
    """Bring a version into a folder beside its place; what a process that died left there goes first."""
    staged = path.with_name(f"{durable.STAGING}{path.name}")
    shutil.rmtree(staged, ignore_errors=True)
    try:
        for name, wanted in sorted(written.files.items()):
            target = staged / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if (got := fetch(name, target)) != wanted:
                raise CorruptArtifact(f"{path.parent.name}/{path.name}/{name}: wanted {wanted}, got {got}; {REPAIR}")
        durable.write(staged / FILE, written.content())
    except BaseException:
        shutil.rmtree(staged, ignore_errors=True)
        raise
    return staged


def _replace(path: Path, staged: Path) -> None:
    broken = path.with_name(f"{durable.STAGING}broken-{path.name}")
    if path.exists():
        path.rename(broken)
    staged.rename(path)
    shutil.rmtree(broken, ignore_errors=True)
