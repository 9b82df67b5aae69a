"""Runs the tests of a file in a forked process in which the file is another one; what is imported before is shared."""

import ast
import gc
import importlib.abc
import importlib.machinery
import importlib.util
import os
import signal
import sys
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import CodeType, ModuleType
from typing import NamedTuple

import pytest
from hypothesis import Phase, settings

_PASSED, _FAILED, _BROKEN = 0, 1, 2
"""pytest's exit codes; the last for a module that cannot be imported any more."""


class Ended(NamedTuple):
    """How the tests ended with a fault, and after how many seconds."""

    found: bool
    seconds: float
    by: str


class _Planted(importlib.abc.MetaPathFinder):
    """Finds one module with other content."""

    def __init__(self, module: str, path: Path, source: str) -> None:
        self._module = module
        self._loader = _Loader(module, str(path))
        self._loader.source = source

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != self._module:
            return None
        return importlib.util.spec_from_file_location(name, self._loader.path, loader=self._loader)


class _Loader(importlib.machinery.SourceFileLoader):
    source = ""

    def get_code(self, fullname: str) -> CodeType:
        return compile(self.source, self.path, "exec")


def warm_up(tests: Sequence[str], log: Path) -> None:
    """Import what the tests import; RuntimeError when they cannot be collected."""
    held = os.dup(1), os.dup(2)
    with log.open("wb") as stream:
        for number in (1, 2):
            os.dup2(stream.fileno(), number)
    try:
        code = pytest.main(["-q", "-p", "no:cacheprovider", "--collect-only", *tests])
    finally:
        for number in (1, 2):
            os.dup2(held[number - 1], number)
            os.close(held[number - 1])
    if code != _PASSED:
        raise RuntimeError(f"pytest ended with {code}: {log.read_text()[-2000:]}")
    _imports.cache_clear()  # an earlier file's tests imported less
    _imports()  # read once, not in each child
    gc.freeze()  # pytest collects garbage five times at its end, which would copy all that TensorFlow has imported


@cache
def _imports() -> dict[str, frozenset[str]]:
    """Our modules that are imported -> what each of them imports."""
    ours = {name: module.__file__ for name, module in list(sys.modules.items()) if _is_ours(module)}
    return {name: _imported(Path(file)) for name, file in ours.items() if file}


def _forget(target: str) -> None:
    """Forget a module and all of ours that import it, so that they are imported again with the fault."""
    imports = _imports()
    forgotten = {target}
    while found := {name for name, named in imports.items() if named & forgotten} - forgotten:
        forgotten |= found
    for name in forgotten & imports.keys() - {"__main__"}:
        del sys.modules[name]
        parent, _, last = name.rpartition(".")
        if hasattr(sys.modules.get(parent), last):
            delattr(sys.modules[parent], last)  # `from package import module` would find it there


@cache
def _imported(path: Path) -> frozenset[str]:
    """Return the modules that a file imports, and what may be one."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(found)


def _is_ours(module: ModuleType) -> bool:
    """Whether a module is of this checkout, the tests' own modules included, and not of an installed package."""
    files = [getattr(module, "__file__", None) or "", *getattr(module, "__path__", ())]
    return any(Path(file).is_relative_to(Path.cwd()) and ".venv" not in Path(file).parts for file in files if file)


def run(path: Path, source: str | None, tests: Sequence[str], seconds: float, log: Path) -> Ended:
    """Run the tests with `source` as the file's content, or as it is; a test that hangs has found the fault.

    Raises RuntimeError when pytest could not run them.
    """
    began = time.monotonic()
    pid = os.fork()
    if pid == 0:
        _child(path, source, tests, seconds, log)
    _, status = os.waitpid(pid, 0)
    took = time.monotonic() - began
    code = os.waitstatus_to_exitcode(status)
    if code == _PASSED:
        return Ended(False, took, "")
    if code in (_FAILED, _BROKEN) or code < 0:
        return Ended(True, took, "deadline" if code == -signal.SIGALRM else "tests")
    raise RuntimeError(f"pytest ended with {code}: {log.read_text()[-2000:]}")


def _child(path: Path, source: str | None, tests: Sequence[str], seconds: float, log: Path) -> None:
    code = 3
    try:
        os.setpgid(0, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        with log.open("wb") as stream:
            os.dup2(stream.fileno(), 1)
            os.dup2(stream.fileno(), 2)
        module = ".".join(path.with_suffix("").parts)
        _forget(module)
        if source is not None:
            sys.meta_path.insert(0, _Planted(module, path.absolute(), source))
        # A counter-example need not be small to count.
        settings.register_profile(
            "mutation", deadline=None, derandomize=True, phases=(Phase.explicit, Phase.generate), max_examples=50
        )
        options = ["-x", "-q", "-p", "no:cacheprovider", "--hypothesis-profile", "mutation"]
        code = int(pytest.main([*options, *tests]))
    finally:
        os._exit(code)
