"""Hyperparameters as a module reads them: which ones it asks for, and which one a mistake in it is about."""

import re
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from core.errors import ConfigError, TrainingError, did_you_mean

MISTAKES = (ArithmeticError, LookupError, TypeError, ValueError)
"""What a value of the wrong type or size raises in a module's code."""
_NEAR = 0.8
"""How alike two names are, 0 to 1, of which one is the other misspelt."""
_SHOWN = 80
"""Characters of a value in a message."""


class AskedFor(dict[str, Any]):
    """Hyperparameters that know which of them were read."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self.names: set[str] = set()
        """Names that were asked for, known or not."""
        self.last = ""
        """The one that was asked for last, by its name."""

    def __getitem__(self, name: str) -> Any:
        self._ask(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self.names.add(str(name))
        return super().__contains__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """Return a value; its name counts as read."""
        self._ask(name)
        return super().get(name, default)

    def pop(self, name: str, *default: Any) -> Any:
        """Remove and return a value; its name counts as read."""
        self._ask(name)
        return super().pop(name, *default)

    def __iter__(self) -> Iterator[str]:
        self.names |= set(super().keys())
        return super().__iter__()

    def keys(self) -> Any:
        """Return all names; they count as read."""
        self.names |= set(super().keys())
        return super().keys()

    def values(self) -> Any:
        """Return all values; all names count as read."""
        self.names |= set(super().keys())
        return super().values()

    def items(self) -> Any:
        """Return all names and values; they count as read."""
        self.names |= set(super().keys())
        return super().items()

    def __or__(self, other: Any) -> Any:
        self.names |= set(super().keys())
        return super().__or__(other)

    def _ask(self, name: str) -> None:
        self.names.add(name)
        self.last = name


def called(function: Callable[..., Any], arguments: Sequence[Any], given: AskedFor, module: ModuleType) -> Any:
    """Call a module's function, one of whose arguments reads the hyperparameters `given`.

    Raises TrainingError with file, line and hyperparameter for a value that the function cannot use. What it raises
    before it reads a hyperparameter, or for other reasons, passes through.
    """
    try:
        return function(*arguments)
    except MISTAKES as error:
        line = _line_in(module, error)
        if not line or not given.last:
            raise
        name = _suspect(given, error)
        what = getattr(function, "__name__", "the function")
        shown = f"{name} {given.get(name)!r:.{_SHOWN}}" if name in given else f"{name}, which is not set"
        raise TrainingError(
            f"{line}: {what} fails with {type(error).__name__}: {error}; it may be the hyperparameter {shown}: correct "
            f"train_model.hyperparameters.{name} in config.yaml, or this line"
        ) from error


def check_typing_errors(given: Mapping[str, Any], asked: Collection[str]) -> None:
    """Raise ConfigError for a hyperparameter that nothing reads, and whose name is near one that is read but not set.

    Others that are not read stay: a function may read one only where another has a certain value.
    """
    for name in sorted(given.keys() - set(asked)):
        near = get_close_matches(name, set(asked) - given.keys(), n=1, cutoff=_NEAR)
        if near and _letters(near[0]) != _letters(name):
            raise ConfigError(
                f"train_model.hyperparameters: build_model reads no hyperparameter {name!r}; did you mean {near[0]!r}?"
            )


def check_read(changes: Iterable[str], asked: Collection[str], place: str) -> None:
    """Raise ConfigError for a changed hyperparameter that nothing reads: the change would change nothing."""
    for name in changes:
        if name not in asked:
            raise ConfigError(f"{place} reads no hyperparameter {name!r}{did_you_mean(name, asked)}; correct the name")


def _letters(name: str) -> str:
    """Return a name without its digits: `units_1` and `units_2` are two names, and none is misspelt."""
    return re.sub(r"\d", "", name)


def _suspect(given: AskedFor, error: BaseException) -> str:
    """Return the hyperparameter whose value the error shows; the one that was asked for last where it shows none."""
    text = str(error)
    named = [name for name, value in given.items() if isinstance(value, str) and repr(value) in text]
    return named[0] if len(named) == 1 else given.last


def _line_in(module: ModuleType, error: BaseException) -> str:
    """Return file and line of the last place in the module's folder that an error passed; empty for none."""
    folder = Path(str(module.__file__)).parent
    frames = traceback.extract_tb(error.__traceback__)
    found = [f"{one.filename}, line {one.lineno}" for one in frames if folder in Path(one.filename).parents]
    return found[-1] if found else ""
