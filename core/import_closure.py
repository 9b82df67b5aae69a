"""What a Python file can import of this project, however deep: read from the imports, not kept in a list.

Imports inside functions count, and so do names that are a whole string, such as serving.candidate after `-m` or
core.backends.local_registry:LocalRegistry; what only a type checker imports does not. With a package come the
files beside its code that are no Python, such as templates.
"""

import ast
import json
import os
import re
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from core import code_files

ROOT = Path(__file__).resolve().parents[1]

_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+(:\w+)?")
_RACY_NS = 50_000_000
"""A file changed so shortly before it was read may change again without a new time stamp."""

_Signature = tuple[int, int, int, int]


class ImportClosure:
    """Reads the imports of Python files; a file remembers what was read, as long as the file system proves it true."""

    def __init__(self, root: Path = ROOT, memory: Path | None = None) -> None:
        """Look for modules below a root; `memory` is the file that remembers, made where it is missing."""
        self._root = root
        self._memory = memory
        self._rooms: dict[str, dict[str, list[str]]] = {}
        self._files_by_name: dict[str, tuple[str, ...]] = {}
        self._direct: dict[str, frozenset[str]] = {}
        self._known: dict[str, tuple[_Signature, list[str]]] = self._recalled()
        self._learnt = False

    def files(self, *entries: Path) -> list[Path]:
        """Return the entries and all files of the project that they can import, or read beside an import, sorted.

        Raises SyntaxError, which names file and line, for a file that is not Python.
        """
        found: set[str] = set()
        waiting = [str(entry) for entry in entries]
        while waiting:
            path = waiting.pop()
            if path not in found:
                found.add(path)
                waiting += self._imported_by(path) if path.endswith(".py") else ()
        self._remember()
        return [Path(path) for path in sorted(found)]

    def _imported_by(self, path: str) -> frozenset[str]:
        if path not in self._direct:
            self._direct[path] = frozenset(file for name in self._names(path) for file in self._files_of(name))
        return self._direct[path]

    def _files_of(self, name: str) -> tuple[str, ...]:
        """Return what importing a dotted name runs: each package on the way, and the module.

        A part that is no module is a name in the one before it.
        """
        if name not in self._files_by_name:
            above, _, _ = name.rpartition(".")
            room = self._room(name.partition(".")[0])
            self._files_by_name[name] = (*(self._files_of(above) if above else ()), *room.get(name, ()))
        return self._files_by_name[name]

    def _room(self, top: str) -> dict[str, list[str]]:
        """Return dotted name -> files, for all modules of one top-level folder or file."""
        if top not in self._rooms:
            member = self._root / top / "src" / top  # a package of the workspace
            folder, file = member if member.is_dir() else self._root / top, self._root / f"{top}.py"
            self._rooms[top] = {top: [str(file)]} if file.is_file() else {}
            if folder.is_dir():
                self._add_package(top, str(folder), self._rooms[top])
        return self._rooms[top]

    def _add_package(self, name: str, folder: str, modules: dict[str, list[str]]) -> None:
        beside = modules.setdefault(name, [])
        for entry in os.scandir(folder):
            if code_files.is_leftover(entry.name) or code_files.is_readme(entry.name):
                continue
            if entry.is_dir():
                inner: dict[str, list[str]] = {}
                self._add_package(f"{name}.{entry.name}", entry.path, inner)
                if any(file.endswith(".py") for files in inner.values() for file in files):
                    modules |= inner
                else:
                    beside += [file for files in inner.values() for file in files]
            elif entry.name.endswith(".py") and entry.name != "__init__.py":
                modules.setdefault(f"{name}.{entry.name[:-3]}", []).append(entry.path)
            else:
                beside.append(entry.path)

    def _names(self, path: str) -> list[str]:
        """Return the absolute dotted names that a file imports or spells."""
        about = os.stat(path)  # noqa: PTH116 - asked of some hundred files on the way to a cached result
        signature = (about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino)
        known = self._known.get(path)
        if known is not None and known[0] == signature:
            return known[1]
        names = sorted(set(_spelled(ast.parse(Path(path).read_bytes(), path), self._package_of(Path(path)))))
        if time.time_ns() - about.st_ctime_ns > _RACY_NS:
            self._known[path] = (signature, names)
            self._learnt = True
        return names

    def _package_of(self, path: Path) -> list[str]:
        parts = path.relative_to(self._root).parent.parts if path.is_relative_to(self._root) else ()
        return list(parts[2:] if parts[1:2] == ("src",) else parts)

    def _recalled(self) -> dict[str, tuple[_Signature, list[str]]]:
        if self._memory is None:
            return {}
        with suppress(OSError, ValueError, KeyError, TypeError):
            kept = json.loads(self._memory.read_text(encoding="utf-8"))
            if kept["by"] == _own_version():
                return {path: (tuple(signature), names) for path, (signature, names) in kept["files"].items()}
        return {}

    def _remember(self) -> None:
        """Write what was learnt; a store that cannot be written to costs time and nothing else."""
        if self._memory is None or not self._learnt:
            return
        self._learnt = False
        with suppress(OSError):
            self._memory.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=self._memory.parent, delete=False, encoding="utf-8") as staged:
                json.dump({"by": _own_version(), "files": self._known}, staged)
            Path(staged.name).replace(self._memory)


def _own_version() -> list[int]:
    """What was remembered by another version of this file is worth nothing."""
    about = Path(__file__).stat()
    return [about.st_size, about.st_mtime_ns]


def _spelled(tree: ast.AST, package: list[str]) -> Iterator[str]:
    """Yield the dotted names that a file imports or has as strings; names within a package are made absolute."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and _is_for_type_checkers(node.test):
            waiting += node.orelse
            continue
        waiting += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from _imported_from(node, package)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _DOTTED.fullmatch(node.value):
            yield node.value.partition(":")[0]


def _imported_from(node: ast.ImportFrom, package: list[str]) -> Iterable[str]:
    above = package[: len(package) - node.level + 1] if node.level else []
    if node.level and not above:
        return  # a file outside the project: what lies beside it is not the project's
    base = ".".join([*above, *([node.module] if node.module else [])])
    yield base
    yield from (f"{base}.{alias.name}" for alias in node.names if alias.name != "*")


def _is_for_type_checkers(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else test.id if isinstance(test, ast.Name) else ""
    return name == "TYPE_CHECKING"
