"""Content digests of files and folders, as `sha256:<hex>`."""

import hashlib
from collections.abc import Iterable, Mapping
from io import BufferedReader
from pathlib import Path


def of_bytes(content: bytes) -> str:
    """Digest of some bytes."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def of_stream(stream: BufferedReader) -> str:
    """Digest of all that is left in an open file."""
    return f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"


def of_file(path: Path) -> str:
    """Digest of one file's content; OSError where it cannot be read."""
    with path.open("rb") as stream:
        return of_stream(stream)


def of_named(digests: Mapping[str, str]) -> str:
    """Digest over named contents whose own digests are known; it depends on the names, not on order or places."""
    return of_bytes("".join(f"{name}\0{of}\n" for name, of in sorted(digests.items())).encode())


def of_files(files: Iterable[tuple[str, Path]]) -> str:
    """Digest over named files."""
    return of_named({name: of_file(path) for name, path in files})


def of_folder(folder: Path, *, leave_out: frozenset[str] = frozenset()) -> str:
    """Digest over all regular files below a folder by relative name, those named in `leave_out` excepted."""
    named = ((path.relative_to(folder).as_posix(), path) for path in folder.rglob("*") if path.is_file())
    return of_files((name, path) for name, path in named if name not in leave_out)
