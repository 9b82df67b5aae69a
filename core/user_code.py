"""References to the files of a use case: a path with a digest, which a step verifies before it loads the file.

A compiled pipeline names a file as `usecases/flight_delay/schema.pbtxt@sha256:<hex>`, relative to the project's root
(the folder with `usecases/`) or absolute. The digest of a Python file covers all that it can import or read: its whole
folder, and what its folder imports of the project. So the code is part of every cache key, and a step fails before
anything runs when its image has other code than the pipeline was compiled for.
"""

import fnmatch
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from core import code_files, digest, import_closure, use_case_package
from core.errors import MlopsError, did_you_mean

ROOT = import_closure.ROOT

_REFERENCE = re.compile(r"(?P<name>.+?)(@(?P<digest>sha256:[0-9a-f]{64})(;without=(?P<without>.+))?)?", re.DOTALL)
WITHOUT = ";without="
"""What follows it is left out: a pattern of files of a folder of code, or features of a schema."""
_NO_CODE = re.compile(r"config\.yaml|sample.*")


class _Reference(NamedTuple):
    """A parsed reference; `digest` is empty when any content is accepted."""

    path: Path
    digest: str
    without: str


def reference(path: Path, *, without: str = "") -> str:
    """Return the reference of a file, for a pipeline that is being compiled.

    The digest of a Python file covers its folder, except README, `config.yaml` and samples that no code names,
    leftovers of tools, and files whose relative name matches the pattern `without`, such as the source data.
    Raises MlopsError for a folder with links to other folders, whose content could change unnoticed.
    """
    absolute = path.resolve()
    name = absolute.relative_to(ROOT).as_posix() if absolute.is_relative_to(ROOT) else str(absolute)
    suffix = f"{WITHOUT}{without}" if without and _is_code(absolute) else ""
    return f"{name}@{_digest(absolute, without)}{suffix}"


def resolve(ref: str) -> Path:
    """Return the path of a reference.

    Raises MlopsError when there is no such file, or its digest is not the one that the pipeline was compiled for.
    """
    path, wanted, without = _parsed(ref)
    if not path.is_file():
        raise MlopsError(
            f"{path}: wanted a file of the use case, got none; build the image from the same sources as the pipeline"
        )
    got = _digest(path, without) if wanted else ""
    if got != wanted:
        what = f"the code in {path.parent}" if _is_code(path) else "this file"
        raise MlopsError(
            f"{path}: the pipeline was compiled for {wanted}, but {what} is {got}; compile again, or rebuild the image"
        )
    return path


def is_reference(text: str) -> bool:
    """Whether a text is the reference of a file with a digest."""
    match = _REFERENCE.fullmatch(text)
    return match is not None and match["digest"] is not None


def digest_of(ref: str) -> str:
    """Return the digest in a reference; empty when any content is accepted."""
    return _parsed(ref).digest


def named_files(ref: str) -> dict[str, Path]:
    """Return the files that the digest of a reference is over, by their names in it; MlopsError as `resolve`."""
    path = resolve(ref)
    return dict(_code(path.parent, without(ref))) if _is_code(path) else {path.name: path}


def without(ref: str) -> str:
    """Return what a reference leaves out; empty when it leaves out nothing."""
    return _parsed(ref).without


def load(ref: str) -> ModuleType:
    """Import the Python module of a reference; what the module itself raises passes through.

    The folder is a package, `usecases.<folder>`, wherever it lies; its modules import each other by that name, by
    relative names, or by their bare names as if the folder were on Python's path. Each load reads the files again.
    Raises MlopsError as `resolve` does, and for a file that is not Python.
    """
    path = resolve(ref)
    if not _is_code(path):
        raise MlopsError(f"{path}: wanted a Python module (.py), got a file that Python cannot import")
    return use_case_package.load(path)


def function(module: ModuleType, name: str) -> object:
    """Return a function of a user's module; MlopsError names the nearest one when there is no such function."""
    found = getattr(module, name, None)
    if found is None:
        public = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise MlopsError(f"{module.__file__}: wanted a function {name}(){did_you_mean(name, public)}")
    return found


def _parsed(ref: str) -> _Reference:
    match = _REFERENCE.fullmatch(ref)
    assert match is not None, "a reference is not empty"
    return _Reference(ROOT / match["name"], match["digest"] or "", match["without"] or "")


def _is_code(path: Path) -> bool:
    return path.suffix == ".py"


def _digest(path: Path, without: str) -> str:
    return digest.of_files(_code(path.parent, without)) if _is_code(path) else digest.of_file(path)


def _code(folder: Path, without: str) -> Iterator[tuple[str, Path]]:
    """Yield (name, path) of every file that code in a folder can import or read; names do not depend on its path."""
    files = {name: path for name, path in _files(folder) if not fnmatch.fnmatchcase(name, without)}
    code = [path for path in files.values() if _is_code(path)]
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in code]
    for name, path in files.items():
        if not (_NO_CODE.fullmatch(path.name) or code_files.is_readme(path.name)) or _is_named(path.name, texts):
            yield name, path
    for path in import_closure.ImportClosure().files(*code):
        if not path.is_relative_to(folder):
            yield f"project:{path.relative_to(ROOT).as_posix()}", path


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in code_files.walk(folder):
        if path.is_dir():
            raise MlopsError(
                f"{path}: wanted files, got a link to a folder, whose content could change unnoticed; "
                "copy the files, or link each of them"
            )
        yield path.relative_to(folder).as_posix(), path


def _is_named(name: str, texts: list[str]) -> bool:
    """Whether a string literal in the code is this file's name, or a path that ends with it."""
    named = re.compile(rf"""["'/]{re.escape(name)}["']""")
    return any(named.search(text) for text in texts)
