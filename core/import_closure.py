"""The import closure of a Python file: every file of this project that it can import, directly or not.

Imports inside functions count, and so do dotted names that are a string of their own, such as serving.candidate after
`-m` or core.backends.local_registry:LocalRegistry; imports under TYPE_CHECKING do not. A package includes the files
beside its code that are not Python, such as templates.
"""

import ast
import json
import os
import re
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

from core import code_files
from core.errors import UsageError

ROOT = Path(__file__).resolve().parents[1]

_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+(:\w+)?")
_RACY_NS = 50_000_000
"""A file that changed less than this before it was read, in nanoseconds, may change again with the same time stamp."""

_Signature = tuple[int, int, int, int]
"""Size, modification time, change time and inode of a file."""
_PARSED: dict[tuple[Path, str], tuple[_Signature, list[str]]] = {}
"""What this process has parsed, by project and file, so that a second closure parses nothing again."""


class ImportClosure:
    """Reads the imports of Python files, and caches them in a file for as long as a source's signature is the same."""

    def __init__(self, root: Path = ROOT, cache: Path | None = None) -> None:
        """Resolve modules below `root`; `cache` is the file that keeps what was parsed, written by `save`."""
        self._root = root
        self._cache = cache
        self._modules: dict[str, dict[str, list[str]]] = {}
        self._files_by_name: dict[str, tuple[str, ...]] = {}
        self._direct: dict[str, frozenset[str]] = {}
        self._parsed: dict[str, tuple[_Signature, list[str]]] = self._load_cache()
        self._cache_is_stale = False

    def files(self, *entries: Path) -> list[Path]:
        """Return the entries and all files of the project that they can import, or read beside an import, sorted.

        Raises UsageError with file and line for one that Python cannot read.
        """
        found: set[str] = set()
        waiting = [str(entry) for entry in entries]
        while waiting:
            path = waiting.pop()
            if path not in found:
                found.add(path)
                waiting += self._imported_by(path) if path.endswith(".py") else ()
        return [Path(path) for path in sorted(found)]

    def save(self) -> None:
        """Write the cache, if there is one and it lacks anything; where that fails, the next process parses again."""
        if self._cache is None or not self._cache_is_stale:
            return
        self._cache_is_stale = False
        with suppress(OSError):
            self._cache.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=self._cache.parent, delete=False, encoding="utf-8") as staged:
                json.dump({"by": _own_version(), "files": self._parsed}, staged)
            Path(staged.name).replace(self._cache)

    def _imported_by(self, path: str) -> frozenset[str]:
        if path not in self._direct:
            files: set[str] = set()
            for name in self._names(path):
                files.update(self._files_of(name))
            self._direct[path] = frozenset(files)
        return self._direct[path]

    def _files_of(self, name: str) -> tuple[str, ...]:
        """Return the files that importing a dotted name runs: each package on the way, and the module.

        A last part that is no module is taken for a name inside the module before it.
        """
        if name not in self._files_by_name:
            parent, _, _ = name.rpartition(".")
            modules = self._modules_of(name.partition(".")[0])
            self._files_by_name[name] = (*(self._files_of(parent) if parent else ()), *modules.get(name, ()))
        return self._files_by_name[name]

    def _modules_of(self, top: str) -> dict[str, list[str]]:
        """Return dotted name -> files, for all modules of one top-level folder or file."""
        if top not in self._modules:
            member = self._root / top / "src" / top  # a package of the workspace
            folder, file = member if member.is_dir() else self._root / top, self._root / f"{top}.py"
            self._modules[top] = {top: [str(file)]} if file.is_file() else {}
            if folder.is_dir():
                self._add_package(top, str(folder), self._modules[top])
        return self._modules[top]

    def _add_package(self, name: str, folder: str, modules: dict[str, list[str]]) -> None:
        own_files = modules.setdefault(name, [])
        for entry in os.scandir(folder):
            if code_files.is_leftover(entry.name) or code_files.is_readme(entry.name):
                continue
            if entry.is_dir():
                inner: dict[str, list[str]] = {}
                self._add_package(f"{name}.{entry.name}", entry.path, inner)
                inner_files = list(chain.from_iterable(inner.values()))
                if any(file.endswith(".py") for file in inner_files):
                    modules |= inner
                else:
                    own_files += inner_files
            elif entry.name.endswith(".py") and entry.name != "__init__.py":
                modules.setdefault(f"{name}.{entry.name[:-3]}", []).append(entry.path)
            else:
                own_files.append(entry.path)

    def _names(self, path: str) -> list[str]:
        """Return the absolute dotted names that a file imports or has as strings."""
        status = os.stat(path)  # noqa: PTH116 - called for hundreds of files before a cached result is used
        signature = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
        for parsed in (self._parsed.get(path), _PARSED.get((self._root, path))):
            if parsed is not None and parsed[0] == signature:
                return self._keep(path, parsed)
        try:
            tree = ast.parse(Path(path).read_bytes(), path)
        except (SyntaxError, ValueError) as error:  # the second for a null byte
            line = getattr(error, "lineno", None) or 1
            raise UsageError(f"{path}:{line}: wanted Python, got {getattr(error, 'msg', error)}") from None
        names = sorted(set(_dotted_names(tree, self._package_of(Path(path)))))
        if time.time_ns() - status.st_ctime_ns > _RACY_NS:
            self._keep(path, (signature, names))
        return names

    def _keep(self, path: str, parsed: tuple[_Signature, list[str]]) -> list[str]:
        """Keep what was parsed for the next closure, in this process and in the file."""
        if self._parsed.get(path) is not parsed:
            self._parsed[path] = parsed
            self._cache_is_stale = True
        _PARSED[self._root, path] = parsed
        return parsed[1]

    def _package_of(self, path: Path) -> list[str]:
        parts = path.relative_to(self._root).parent.parts if path.is_relative_to(self._root) else ()
        return list(parts[2:] if parts[1:2] == ("src",) else parts)

    def _load_cache(self) -> dict[str, tuple[_Signature, list[str]]]:
        if self._cache is None:
            return {}
        with suppress(OSError, ValueError, KeyError, TypeError):
            content = json.loads(self._cache.read_text(encoding="utf-8"))
            if content["by"] == _own_version():
                return {path: (tuple(signature), names) for path, (signature, names) in content["files"].items()}
        return {}


def _own_version() -> list[int]:
    """Identify this file's version: a cache that another version wrote is not used."""
    status = Path(__file__).stat()
    return [status.st_size, status.st_mtime_ns]


def _dotted_names(tree: ast.AST, package: list[str]) -> Iterator[str]:
    """Yield the dotted names that a file imports or has as strings; relative names are made absolute.

    `ast.iter_child_nodes` takes twice as long, and a new store reads hundreds of files before its first step.
    """
    waiting: list[Any] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Constant):
            if isinstance(node.value, str) and _DOTTED.fullmatch(node.value):
                yield node.value.partition(":")[0]
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from _imported_from(node, package)
        elif isinstance(node, ast.If) and _is_for_type_checkers(node.test):
            waiting += node.orelse
        elif isinstance(node, ast.AST):
            waiting += _parts(node)


def _parts(node: ast.AST) -> list[Any]:
    parts: list[Any] = []
    for value in node.__dict__.values():
        if isinstance(value, list):
            parts += value
        elif isinstance(value, ast.AST):
            parts.append(value)
    return parts


def _imported_from(node: ast.ImportFrom, package: list[str]) -> Iterable[str]:
    parent = package[: len(package) - node.level + 1] if node.level else []
    if node.level and not parent:
        return  # a relative import of a file outside the project
    base = ".".join([*parent, *([node.module] if node.module else [])])
    yield base
    yield from (f"{base}.{alias.name}" for alias in node.names if alias.name != "*")


def _is_for_type_checkers(test: ast.expr) -> bool:
    if isinstance(test, ast.Attribute):
        return test.attr == "TYPE_CHECKING"
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"
