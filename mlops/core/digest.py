"""Content digests of files and folders, as `sha256:<hex>`."""

import hashlib
from collections.abc import Iterable
from pathlib import Path


def of_bytes(content: bytes) -> str:
    """Digest of some bytes."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def of_file(path: Path) -> str:
    """Digest of one file's content; OSError where it cannot be read."""
    with path.open("rb") as stream:
        return f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"


def of_files(files: Iterable[tuple[str, Path]]) -> str:
    """Digest over named files: independent of their order, of times and of where they lie, but not of their names."""
    total = hashlib.sha256()
    for name, path in sorted(files):
        total.update(f"{name}\0{of_file(path)}\n".encode())
    return f"sha256:{total.hexdigest()}"


def of_folder(folder: Path, *, leave_out: frozenset[str] = frozenset()) -> str:
    """Digest over all regular files below a folder by relative name, those named in `leave_out` excepted."""
    named = ((path.relative_to(folder).as_posix(), path) for path in folder.rglob("*") if path.is_file())
    return of_files((name, path) for name, path in named if name not in leave_out)
