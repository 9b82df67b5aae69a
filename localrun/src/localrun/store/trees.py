"""Which files of a folder are source code: not a store, an environment, version control, or what git ignores."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from localrun.errors import UnknownCode

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

FILES = 20_000
BYTES = 256 * 2**20
"""A folder that is named as code may hold as much; what is larger is data, or must be named file by file."""

_LEFT_OUT = frozenset({"__pycache__", "node_modules", "site-packages"})
_MARKS = ("pyvenv.cfg", "conda-meta", "localrun.sqlite")
"""What only a virtual environment, a conda environment, or a store has in its folder."""


def is_left_out(name: str) -> bool:
    """Whether a name alone says that it is no source: hidden, bytecode, or installed."""
    return name in _LEFT_OUT or name.startswith(".") or name.endswith((".pyc", ".pyo"))


def source_files(root: Path) -> dict[str, Path]:
    """Return the source files of a folder by their names in it, sorted; links are followed, special files are not code.

    Raises UnknownCode for what cannot be read, and for more than FILES or BYTES.
    """
    found: dict[str, Path] = {}
    size = 0
    for name, path, about in _walk(root, "", [], {root.resolve()}):
        found[name] = path
        size += about.st_size
        if len(found) > FILES or size > BYTES:
            what = f"{FILES:,} files" if len(found) > FILES else f"{BYTES >> 20} MB"
            raise UnknownCode(f"{root} holds more than {what} (at {name})")
    return dict(sorted(found.items()))


def _walk(
    folder: Path, prefix: str, ignored: list[tuple[str, "GitIgnoreSpec"]], above: set[Path]
) -> Iterator[tuple[str, Path, os.stat_result]]:
    entries = _listed(folder)
    if prefix and not entries and folder.is_dir():  # it can be imported, too
        yield prefix, folder, folder.stat()
    names = {entry.name for entry in entries}
    if prefix and not names.isdisjoint(_MARKS):
        return
    if ".gitignore" in names:
        ignored = [*ignored, (prefix, _ignore_file(folder / ".gitignore"))]
    for entry in entries:
        name = f"{prefix}{entry.name}"
        try:
            about = entry.stat()
        except OSError:  # it went meanwhile, or is a link that leads nowhere
            continue
        is_folder = stat.S_ISDIR(about.st_mode)
        if is_left_out(entry.name) or _is_ignored(name, is_folder, ignored):
            continue
        path = Path(entry.path)
        if stat.S_ISREG(about.st_mode):
            yield name, path, about
        elif is_folder and (real := path.resolve()) not in above:
            yield from _walk(path, f"{name}/", ignored, {*above, real})


def _listed(folder: Path) -> list["os.DirEntry[str]"]:
    try:
        return sorted(os.scandir(folder), key=lambda entry: entry.name)
    except FileNotFoundError:  # it went meanwhile
        return []
    except OSError as error:
        raise UnknownCode(f"{folder} cannot be read: {error.strerror}") from error


def _ignore_file(path: Path) -> "GitIgnoreSpec":
    from pathspec import GitIgnoreSpec  # noqa: PLC0415 - only a folder with such a file needs it

    try:
        return GitIgnoreSpec.from_lines(path.read_text(encoding="utf-8", errors="replace").splitlines())
    except (OSError, ValueError) as error:
        raise UnknownCode(f"{path} cannot be read: {error}") from error


def _is_ignored(name: str, is_folder: bool, ignored: list[tuple[str, "GitIgnoreSpec"]]) -> bool:
    """Whether git ignores a file; the file nearest to it has the last word."""
    for prefix, spec in reversed(ignored):
        said = spec.check_file(f"{name[len(prefix) :]}{'/' if is_folder else ''}").include
        if said is not None:
            return said
    return False
