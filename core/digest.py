"""Content digests of files and folders, as `sha256:<hex>`."""

import hashlib
from collections.abc import Iterable, Mapping
from io import BufferedReader
from pathlib import Path


def of_bytes(content: bytes) -> str:
    """Digest of a byte string."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def of_stream(stream: BufferedReader) -> str:
    """Digest of an open file, from its position to its end."""
    return f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"


def of_file(path: Path) -> str:
    """Digest of one file's content; OSError where it cannot be read."""
    with path.open("rb") as stream:
        return of_stream(stream)


def of_named(digests: Mapping[str, str]) -> str:
    """Digest over names and the digests of their contents; the order of the mapping does not matter."""
    return of_bytes("".join(f"{name}\0{digest}\n" for name, digest in sorted(digests.items())).encode())


def of_files(files: Iterable[tuple[str, Path]]) -> str:
    """Digest over pairs of a name and a file; OSError where one cannot be read."""
    return of_named({name: of_file(path) for name, path in files})


def of_folder(folder: Path, *, leave_out: frozenset[str] = frozenset()) -> str:
    """Digest over all regular files below a folder by relative name, without those named in `leave_out`."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return of_files((name, path) for name, path in files.items() if name not in leave_out)
