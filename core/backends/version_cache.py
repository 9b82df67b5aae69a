"""Local copies of a remote registry's versions, in a folder with the layout of a local registry."""

import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from core import digest, durable, objects
from core.backends.local_registry import LOCK
from core.backends.manifest import FILE, REPAIR, Manifest
from core.errors import CorruptArtifact, RegistryError

Download = Callable[[str, Path], str]
"""Downloads a file, given by its relative name, to a path, and returns its digest."""
_WAIT_SECONDS = 600.0
"""How long one process waits while another downloads a version of the same model."""


class VersionCache:
    """The copies of one registry's versions; without a `folder`, in a private one below the temporary folder."""

    def __init__(self, address: str, folder: Path | None) -> None:
        self._folder = _own_folder(address) if folder is None else folder.absolute()
        self._is_own = folder is None

    def path(self, name: str, version: int) -> Path:
        """Return the folder for the copy of a version; it need not exist."""
        return self._folder / name / str(version)

    def fetch(self, manifest: Manifest, sizes: Mapping[str, int], download: Download) -> Path:
        """Return the folder of a version after checking every byte, downloading it first when there is no intact copy.

        `sizes` are the sizes of its files in bytes. Raises CorruptArtifact when a file differs from the manifest,
        RegistryError when the folder cannot be written.
        """
        path = self.path(manifest.name, manifest.version)
        with self._locked(path.parent):
            if not _is_intact(path, manifest, sizes):
                _replace(path, _downloaded(path, manifest, download))
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
                "copies of models are stored there: free some space, or set TMPDIR"
            ) from error


def _own_folder(address: str) -> Path:
    key = digest.of_bytes(f"{objects.endpoint_of(address)} {address}".encode()).removeprefix("sha256:")[:16]
    return Path(tempfile.gettempdir(), f"mlops-models-{os.geteuid()}", key)


def _make_private(folder: Path) -> None:
    """Create a folder that no other user can read or write; RegistryError when another user created it before."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise RegistryError(
            f"{folder}: wanted a folder of this user alone for copies of models, "
            f"got mode {status.st_mode:o}, owner {status.st_uid}; remove it"
        )


def _is_intact(path: Path, manifest: Manifest, sizes: Mapping[str, int]) -> bool:
    try:
        if (path / FILE).read_bytes() != manifest.content():
            return False
        manifest.verify(path)
    except (OSError, CorruptArtifact):
        return False
    return all((path / name).stat().st_size == size for name, size in sizes.items())


def _downloaded(path: Path, manifest: Manifest, download: Download) -> Path:
    """Download a version to a staging folder beside `path`, after removing what a process that died left there."""
    staged = path.with_name(f"{durable.STAGING}{path.name}")
    shutil.rmtree(staged, ignore_errors=True)
    try:
        for name, wanted in sorted(manifest.files.items()):
            target = staged / name
            target.parent.mkdir(parents=True, exist_ok=True)
            got = download(name, target)
            if got != wanted:
                raise CorruptArtifact(f"{path.parent.name}/{path.name}/{name}: wanted {wanted}, got {got}; {REPAIR}")
        durable.write(staged / FILE, manifest.content())
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
