"""Imports the folder of a use case as a package, wherever it lies, without mixing up the modules of two folders.

Modules in the folder import each other by `usecases.<folder>.features`, `.features` or, as TFX's examples do, by the
bare name `features`. The bare name works for code in the folder alone: nothing is put on `sys.path`, so code outside
the folder, or in another use case's folder, cannot import its files by mistake.
"""

import builtins
import hashlib
import importlib
import importlib.machinery
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

_PARENT = "usecases"


def load(path: Path) -> ModuleType:
    """Import a Python file as a module of its folder's package; all files of the folder are read again.

    What the module raises passes through.
    """
    package = _FINDER.package(path.parent)
    for name in [name for name in sys.modules if name == package.name or name.startswith(f"{package.name}.")]:
        del sys.modules[name]
    return importlib.import_module(f"{package.name}.{path.stem}")


class _Package:
    """A folder of Python files under a package name; finds and runs its modules."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name
        self.source_name = f"{_PARENT}.{folder.name}"
        """The package's name in its files; `name` differs when another folder of that name was loaded before."""

    def spec(self, name: str, path: Sequence[str]) -> importlib.machinery.ModuleSpec:
        """Find a module of the package; ModuleNotFoundError where there is none."""
        if name == self.name:
            return self._package_spec()
        finder = importlib.machinery.FileFinder(
            path[0],
            (importlib.machinery.ExtensionFileLoader, importlib.machinery.EXTENSION_SUFFIXES),
            (self._loader, importlib.machinery.SOURCE_SUFFIXES),  # type: ignore[arg-type]
        )
        spec = finder.find_spec(name)
        if spec is None:
            raise ModuleNotFoundError(f"No module named {name!r} in {path[0]}", name=name)
        return spec

    def absolute(self, name: str) -> str:
        """Return the full name of the module that code in the folder imports as `name`; "" when it is elsewhere."""
        if name == self.source_name or name.startswith(f"{self.source_name}."):
            return self.name + name[len(self.source_name) :]
        return f"{self.name}.{name}" if self._is_sibling(name.partition(".")[0]) else ""

    def _is_sibling(self, name: str) -> bool:
        if (self.folder / f"{name}.py").is_file():
            return True
        return next((self.folder / name).glob("*.py"), None) is not None

    def _package_spec(self) -> importlib.machinery.ModuleSpec:
        init = self.folder / "__init__.py"
        loader = self._loader(self.name, str(init)) if init.is_file() else None
        spec = importlib.machinery.ModuleSpec(self.name, loader, origin=str(init) if loader else None, is_package=True)
        spec.has_location = loader is not None
        spec.submodule_search_locations = [str(self.folder)]
        return spec

    def _loader(self, name: str, path: str) -> "_Loader":
        return _Loader(name, path, self)


class _Finder(MetaPathFinder):
    """Finds the packages that were loaded here; it comes before Python's own finders."""

    def __init__(self) -> None:
        self._packages: dict[str, _Package] = {}

    def package(self, folder: Path) -> _Package:
        """Return the package of a folder, with a name that no other folder has."""
        name = f"{_PARENT}.{re.sub(r'[^A-Za-z0-9_-]', '_', folder.name)}"
        if name in self._packages and self._packages[name].folder != folder:
            name = f"{name}_{hashlib.sha256(str(folder).encode()).hexdigest()[:8]}"
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)
        return self._packages.setdefault(name, _Package(folder, name))

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,  # noqa: ARG002 - the interface is Python's
    ) -> importlib.machinery.ModuleSpec | None:
        """Find a module of a loaded use case; None for any other name."""
        package = self._packages.get(".".join(fullname.split(".")[:2]))
        return package.spec(fullname, list(path or ())) if package else None


_FINDER = _Finder()


class _Loader(importlib.machinery.SourceFileLoader):
    """Runs a module of a use case from its source.

    Bytecode is not used: Python takes it for current when size and modification time, in whole seconds, are the same.
    """

    def __init__(self, name: str, path: str, package: _Package) -> None:
        super().__init__(name, path)
        self._package = package

    def get_code(self, fullname: str) -> Any:  # noqa: ARG002 - the interface is Python's
        """Compile the source."""
        return self.source_to_code(self.get_data(self.path), self.path)

    def exec_module(self, module: ModuleType) -> None:
        """Run the module with its own `__import__`, which finds the folder's modules by their bare names."""
        vars(module)["__builtins__"] = {**vars(builtins), "__import__": _import_in(self._package)}
        super().exec_module(module)


def _import_in(package: _Package) -> Callable[..., ModuleType]:
    """Return the `__import__` of the modules of a package."""

    def import_name(
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Iterable[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        full = package.absolute(name) if level == 0 else ""
        if not full:
            return builtins.__import__(name, globals, locals, tuple(fromlist or ()), level)
        if fromlist:
            return builtins.__import__(full, globals, locals, tuple(fromlist))
        importlib.import_module(full)
        if not f"{name}.".startswith(f"{package.source_name}."):
            return sys.modules[f"{package.name}.{name.partition('.')[0]}"]
        parent = ModuleType(_PARENT)  # `import usecases.x.features` binds `usecases`, whose `x` must be this folder
        setattr(parent, package.folder.name, sys.modules[package.name])
        return parent

    return import_name
