"""Searches files for personal data, a chunk at a time; a file that is not text is searched for what chance cannot make.

Random bytes have the form of a short address now and then; a canary or a long address they practically never have.
"""

import gzip
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from artifacts.personal_data.detectors import CANARY, DETECTORS, found_in
from artifacts.personal_data.finding import Finding

_CHUNK = 1 << 20
_LONGEST = 256
"""Bytes of the longest match; so many of a chunk are read again with the next one."""
_SURE = 16
"""Bytes of an e-mail address that is taken for one in a file that is not text."""
_GZIP = b"\x1f\x8b"


def in_folder(folder: Path, artifact: str) -> Iterator[Finding]:
    """Yield what is in the files below a folder, in the order of their names; places begin with the artifact's name."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()):
        yield from in_file(path, f"{artifact}/{path.relative_to(folder).as_posix()}")


def in_file(path: Path, place: str) -> Iterator[Finding]:
    """Yield what is in a file, which may be gzipped; OSError when it cannot be read."""
    found: Counter[str] = Counter()
    with path.open("rb") as plain:
        is_gzipped = plain.read(2) == _GZIP
        plain.seek(0)
        with gzip.open(plain) if is_gzipped else plain as stream:
            for chunk, rest in _chunks(stream):  # type: ignore[arg-type]  # GzipFile reads like a BinaryIO
                search = _found_in_binary if b"\0" in chunk else found_in
                # What lies in the rest alone was counted with the chunk before.
                found.update(search(chunk))
                found.subtract(search(rest))
    yield from (Finding(name, place, count) for name, count in sorted((+found).items()))


def _chunks(stream: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Yield chunks that begin with the last bytes of the chunk before, and those bytes."""
    rest = b""
    while more := stream.read(_CHUNK):
        chunk = rest + more
        yield chunk, rest
        rest = chunk[-_LONGEST:]


def _found_in_binary(content: bytes) -> Counter[str]:
    found: Counter[str] = Counter()
    for detector in DETECTORS[:2]:
        for match in detector.pattern.finditer(content):
            if detector.name == CANARY or len(match[0]) >= _SURE:
                found[detector.name] += 1
    return found
