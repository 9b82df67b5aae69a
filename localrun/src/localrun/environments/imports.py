"""What Python code can import of a folder, however deep, and which files of it the code names: read, not run."""

import ast
import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from localrun.errors import UnknownCode
from localrun.store.trees import is_left_out

_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+(:\w+)?")
_FILE = re.compile(r"[^\n\0]{1,255}")
_LOADERS = frozenset({"import_module", "__import__", "run_module", "run_path"})
_RACY_NS = 50_000_000
_SIZE = 2**22
"""A Python file is smaller."""


@dataclass(frozen=True)
class _Read:
    """What one Python file says: dotted names, strings that may name files, and where it computes a module's name."""

    names: tuple[str, ...]
    strings: tuple[str, ...]
    computed: int = 0


class Imports:
    """Reads Python files; what was read is remembered as long as the file system proves it true."""

    def __init__(self) -> None:
        self._files: dict[Path, tuple[tuple[int, ...], _Read]] = {}
        self._folders: dict[Path, tuple[int, frozenset[str]]] = {}
        self._texts: dict[str, _Read] = {}

    def of_text(self, text: str, folders: Sequence[Path], cwd: Path | None) -> dict[Path, None]:
        """Return the files below `folders` that source code can import; with `cwd`, also those that it names there.

        Raises UnknownCode for code that cannot be read, or that computes what it imports.
        """
        if text not in self._texts:
            self._texts[text] = _read(text, "the component's source", [])
        found: dict[Path, None] = {}
        waiting = [*self._beside(self._texts[text], None, folders, cwd)]
        return self._closure(waiting, found, folders, cwd)

    def of_file(self, file: Path, folders: Sequence[Path], cwd: Path) -> dict[Path, None]:
        """Return a Python file, and the files below `folders` that it can import or name."""
        return self._closure([file], {}, [file.parent, *folders], cwd)

    def module(self, name: str, folders: Sequence[Path]) -> list[Path]:
        """Return the files that importing a dotted name runs; none where it is not below one of the folders."""
        for folder in folders:
            if files := self._module_below(folder, name.split(".")):
                return files
        return []

    def _closure(
        self, waiting: list[Path], found: dict[Path, None], folders: Sequence[Path], cwd: Path | None
    ) -> dict[Path, None]:
        while waiting:
            path = waiting.pop()
            if path in found:
                continue
            found[path] = None
            if path.suffix == ".py":
                waiting += self._beside(self._read_file(path, folders), path, folders, cwd)
        return found

    def _beside(self, read: _Read, path: Path | None, folders: Sequence[Path], cwd: Path | None) -> Iterator[Path]:
        if read.computed and cwd is not None:
            where = f"line {read.computed} of {path or 'its source'}"
            raise UnknownCode(f"{where} computes the name of what it imports")
        for name in read.names:
            yield from self.module(name, folders)
        if cwd is not None:
            places = [cwd, *([path.parent] if path and path.parent != cwd else [])]
            yield from (
                place / text
                for text in read.strings
                for place in places
                if not text.startswith("/") and os.path.isfile(place / text)  # noqa: PTH113 - false for what is unreadable
            )

    def _read_file(self, path: Path, folders: Sequence[Path]) -> _Read:
        try:
            about = path.stat()
            signature = (about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino)
            known = self._files.get(path)
            if known is not None and known[0] == signature:
                return known[1]
            if about.st_size > _SIZE:
                raise UnknownCode(f"{path} is larger than a Python file can be")
            read = _read(path.read_bytes(), str(path), _package_of(path, folders))
        except OSError as error:
            raise UnknownCode(f"{path} cannot be read: {error.strerror}") from error
        if time.time_ns() - about.st_ctime_ns > _RACY_NS:
            self._files[path] = (signature, read)
        return read

    def _module_below(self, folder: Path, parts: list[str]) -> list[Path]:
        found: list[Path] = []
        place = folder
        for part in parts:
            names = self._names(place)
            if part in names and "__init__.py" in (inside := self._names(place / part)):
                place = place / part
                found += [place / "__init__.py", *_data(place, inside)]
            elif f"{part}.py" in names:
                return [*found, place / f"{part}.py"]
            elif compiled := [name for name in names if name.startswith(f"{part}.") and name.endswith(".so")]:
                return [*found, *(place / name for name in sorted(compiled))]
            elif part in names:  # a folder without __init__.py is a package, too
                place = place / part
            else:
                break
        return found

    def _names(self, folder: Path) -> frozenset[str]:
        """Names in a folder, listed again when it has changed."""
        try:
            stamp = folder.stat().st_mtime_ns
            known = self._folders.get(folder)
            if known is not None and known[0] == stamp:
                return known[1]
            names = frozenset(entry.name for entry in os.scandir(folder))
        except (FileNotFoundError, NotADirectoryError):
            return frozenset()
        except OSError as error:
            raise UnknownCode(f"{folder} cannot be read: {error.strerror}") from error
        if time.time_ns() - stamp > _RACY_NS:
            self._folders[folder] = (stamp, names)
        return names


def editable_folders(python: Path) -> list[Path]:
    """Return the folders that an interpreter imports from although they are no part of its installation.

    They are what `pip install --editable` leaves: a line in a .pth file, or a project named by direct_url.json.
    """
    sites = sorted(python.absolute().parent.parent.glob("lib/python3*/site-packages"))
    lines = [line for site in sites for file in sorted(site.glob("*.pth")) for line in _lines(file)]
    folders = [Path(line) for line in lines if line.startswith("/")]
    for file in (file for site in sites for file in sorted(site.glob("*.dist-info/direct_url.json"))):
        text = "".join(_lines(file))
        match = re.search(r'"url": *"file://([^"]+)"', text)
        if match and re.search(r'"editable": *true', text):
            folders += [Path(match[1]) / "src", Path(match[1])]
    return [folder for folder in dict.fromkeys(folders) if folder.is_dir()]


def _lines(file: Path) -> list[str]:
    try:
        return [line.strip() for line in file.read_text(encoding="utf-8", errors="replace").splitlines()]
    except OSError:
        return []


def _package_of(path: Path, folders: Sequence[Path]) -> list[str]:
    """Return the package that a file belongs to; one without __init__.py is known by its place below a folder."""
    above = path.parent
    parts: list[str] = []
    while (above / "__init__.py").is_file():
        parts.insert(0, above.name)
        above = above.parent
    for folder in folders if above not in folders else ():
        if above.is_relative_to(folder):
            return [*above.relative_to(folder).parts, *parts]
    return parts


def _data(folder: Path, names: frozenset[str]) -> list[Path]:
    """Files that lie in a package and are no Python, such as templates."""
    beside = [name for name in sorted(names) if not name.endswith(".py") and not is_left_out(name)]
    return [folder / name for name in beside if (folder / name).is_file()]


def _read(source: str | bytes, where: str, package: list[str]) -> _Read:
    try:
        tree = ast.parse(source, where)
    except (SyntaxError, ValueError, RecursionError) as error:
        raise UnknownCode(f"{where} cannot be read as Python: {error}") from error
    names: dict[str, None] = {}
    strings: dict[str, None] = {}
    computed = 0
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= dict.fromkeys(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names |= dict.fromkeys(_imported_from(node, package))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if _DOTTED.fullmatch(node.value):
                names[node.value.partition(":")[0]] = None
            if _FILE.fullmatch(node.value):
                strings[node.value] = None
        elif isinstance(node, ast.Call) and _called(node.func) in _LOADERS:
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                names[".".join([*(package if first.value.startswith(".") else []), first.value.strip(".")])] = None
            else:
                computed = computed or node.lineno
    return _Read(tuple(names), tuple(strings), computed)


def _called(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _imported_from(node: ast.ImportFrom, package: list[str]) -> Iterator[str]:
    above = package[: len(package) - node.level + 1] if node.level else []
    base = ".".join([*above, *([node.module] if node.module else [])])
    if base:
        yield base
    yield from (f"{base}.{alias.name}" if base else alias.name for alias in node.names if alias.name != "*")
