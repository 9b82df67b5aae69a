"""What a task's code is: the files that its result may depend on, found from what it can import and names."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from localrun.environments import words
from localrun.environments.docker import DockerEnvironment
from localrun.environments.environment import Environment
from localrun.environments.imports import Imports, editable_folders
from localrun.errors import UnknownCode
from localrun.spec.commands import function_name, is_lightweight, runs_executor
from localrun.spec.pipeline import Container
from localrun.store.digests import Digests
from localrun.store.trees import source_files

_CONFIG = "kfp_config.ini"
_EXPLICIT = "--code names what counts"


@dataclass(frozen=True)
class CodeFinder:
    """Finds the code of tasks; one object lives as long as one run."""

    digests: Digests
    imports: Imports = field(default_factory=Imports)
    _editable: dict[Path, list[Path]] = field(default_factory=dict)

    def find(self, container: Container, parameters: Mapping[str, Any], environment: Environment) -> dict[str, str]:
        """Return the code of a task: names with digests; empty where all code is in the command itself.

        Raises UnknownCode, which says why nobody can know it.
        """
        if isinstance(environment, DockerEnvironment):
            content = environment.content(self.digests)
            if not content:
                raise UnknownCode(f"the image {environment.image!r} is not on this machine yet")
            return {"image": content}
        cwd = Path(environment.cwd).absolute()
        function = function_name(container)
        if (chosen := self.named(function, environment)) is not None:
            return chosen
        if environment.sources is not None and not is_lightweight(container):
            raise UnknownCode(f"nothing says what the code of {function or container.command[0]!r} is")
        try:
            found = self._found(container, parameters, environment, cwd)
        except UnknownCode as error:
            raise UnknownCode(f"{error}; {_EXPLICIT}") from error
        return self._digested(found, cwd)

    def named(self, function: str, environment: Environment) -> dict[str, str] | None:
        """Return the code that an environment's `sources` name for a function; None where they name none."""
        chosen = environment.named_code(function)
        if chosen is None:
            return None
        files: dict[Path, None] = {}
        for path in chosen:
            if not path.exists():
                raise UnknownCode(f"{path} is named as code, but it does not exist")
            files |= dict.fromkeys(source_files(path).values() if path.is_dir() else [path])
        return self._digested(files, Path(environment.cwd).absolute())

    def _digested(self, files: Iterable[Path], cwd: Path) -> dict[str, str]:
        digests = {}
        for path in files:
            if path.is_dir():
                digests[f"{os.path.relpath(path, cwd)}/"] = "empty"
                continue
            try:
                digests[os.path.relpath(path, cwd)] = self.digests.of(path.resolve() if path.is_symlink() else path)
            except OSError as error:
                raise UnknownCode(f"{path} cannot be read: {error.strerror}") from error
        return digests

    def _found(
        self, container: Container, parameters: Mapping[str, Any], environment: Environment, cwd: Path
    ) -> dict[Path, None]:
        elsewhere = self._elsewhere(environment, cwd)
        if is_lightweight(container):
            if not environment.holds_folder:
                return self.imports.of_text(container.command[-1], elsewhere, None)
            return self.imports.of_text(container.command[-1], [cwd, *elsewhere], cwd)
        if runs_executor(container):
            return self._of_config(function_name(container), cwd, elsewhere)
        return self._of_command([*container.command, *container.args], parameters, cwd, elsewhere)

    def _elsewhere(self, environment: Environment, cwd: Path) -> list[Path]:
        """Folders outside of an installation that its interpreter imports from."""
        python = Path(environment.python)
        if python not in self._editable:
            self._editable[python] = editable_folders(python)
        return [folder for folder in self._editable[python] if folder != cwd]

    def _of_config(self, function: str, cwd: Path, elsewhere: list[Path]) -> dict[Path, None]:
        """Follow kfp_config.ini to the file of a function, as kfp's executor does."""
        from configparser import ConfigParser, Error  # noqa: PLC0415 - only such a component needs it

        config = ConfigParser()
        config.optionxform = str  # type: ignore[assignment,method-assign]
        try:
            config.read_string((cwd / _CONFIG).read_text(encoding="utf-8"))
            file = cwd / config["Components"][function]
        except (OSError, ValueError, KeyError, Error):
            raise UnknownCode(f"{cwd / _CONFIG} does not say where {function!r} is") from None
        return {cwd / _CONFIG: None, **self.imports.of_file(file, [cwd, *elsewhere], cwd)}

    def _of_command(
        self, command: list[str], parameters: Mapping[str, Any], cwd: Path, elsewhere: list[Path]
    ) -> dict[Path, None]:
        found: dict[Path, None] = {}
        waiting = [*words.named([*words.split(command), *_texts(parameters)], cwd)]
        waiting += _spoken(command, self.imports, cwd, elsewhere)
        while waiting:
            path = waiting.pop()
            if path in found:
                continue
            if path.is_dir():
                waiting += source_files(path).values()
            elif path.suffix == ".py":
                found |= self.imports.of_file(path, [cwd, *elsewhere], cwd)
            elif path.is_file():
                found[path] = None
                waiting += words.named(words.script(path), cwd)
        return found


def names_folder(container: Container, parameters: Mapping[str, Any], cwd: Path) -> bool:
    """Whether a command names or imports anything of a folder; it may when that cannot be known."""
    command = [*container.command, *container.args]
    if next(words.named([*words.split(command), *_texts(parameters)], cwd), None):
        return True
    try:
        return bool(_spoken(command, Imports(), cwd, []))
    except UnknownCode:
        return True


def _spoken(command: list[str], imports: Imports, cwd: Path, elsewhere: list[Path]) -> dict[Path, None]:
    """Return the files of the modules that a command runs, and of those that its text imports."""
    found: dict[Path, None] = {}
    for name in words.modules(words.split(command)):
        found |= dict.fromkeys([*imports.module(name, [cwd]), *imports.module(f"{name}.__main__", [cwd])])
    if Path((command or [""])[0]).name.startswith("python") and "-c" in command[:-1]:
        found |= imports.of_text(command[command.index("-c") + 1], [cwd, *elsewhere], cwd)
    return found


def sees_folder(container: Container, parameters: Mapping[str, Any], environment: Environment) -> bool:
    """Whether a task runs in its environment's folder and imports from it, or in an empty one of its own."""
    if environment.holds_folder:
        return True
    if runs_executor(container):
        return not is_lightweight(container)
    return names_folder(container, parameters, Path(environment.cwd).absolute())


def _texts(parameters: Mapping[str, Any]) -> list[str]:
    return [value for value in parameters.values() if isinstance(value, str)]
