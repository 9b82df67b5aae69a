"""A mapping of the spec on its way into values: every key must be taken, with its type, or loading fails."""

import re
from collections.abc import Iterator
from typing import Any

from localrun.errors import InvalidPipeline, ParameterError, UnsupportedPipeline
from localrun.spec.parameters import plain

# Names become file names, so nothing that could leave a folder.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
_LONGEST = 1024
"""The compiler joins names of tasks, outputs and loops into names of inputs, which pass 128 characters."""


class Section:
    """A mapping with the path that leads to it, for messages."""

    def __init__(self, value: Any, where: str) -> None:
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            raise InvalidPipeline(f"{where}: wanted a mapping, got {type(value).__name__}")
        self.values: dict[str, Any] = value
        self.where = where
        self.taken: set[str] = set()

    def _take(self, key: str, wanted: type | tuple[type, ...], default: Any) -> Any:
        self.taken.add(key)
        if key not in self.values:
            return default
        value = self.values[key]
        if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
            names = " or ".join(w.__name__ for w in (wanted if isinstance(wanted, tuple) else (wanted,)))
            raise InvalidPipeline(f"{self.where}.{key}: wanted {names}, got {type(value).__name__}")
        return value

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def text(self, key: str, default: str = "") -> str:
        """Take a string."""
        return str(self._take(key, str, default))

    def flag(self, key: str) -> bool:
        """Take a boolean; absent is false, as in the spec's JSON."""
        return bool(self._take(key, bool, False))

    def number(self, key: str, default: float = 0.0) -> float:
        """Take a number."""
        return float(self._take(key, (int, float), default))

    def integer(self, key: str) -> int:
        """Take a whole number, which the spec's JSON writes as text when it has 64 bits; absent is 0."""
        value = self._take(key, (int, str), 0)
        if not re.fullmatch(r"\d{1,18}", str(value)):
            raise InvalidPipeline(f"{self.where}.{key}: wanted a whole number, got {str(value)[:40]!r}")
        return int(value)

    def duration(self, key: str, default: float = 0.0) -> float:
        """Take a duration as the spec's JSON writes it, such as `1.5s`, in seconds."""
        text = self.text(key)
        if not text:
            return default
        if not re.fullmatch(r"\d{1,12}(\.\d{1,9})?s", text):
            raise InvalidPipeline(f"{self.where}.{key}: wanted a duration such as 10s, got {text!r}")
        return float(text[:-1])

    def texts(self, key: str) -> tuple[str, ...]:
        """Take a list of strings."""
        values = self._take(key, list, [])
        if not all(isinstance(value, str) for value in values):
            raise InvalidPipeline(f"{self.where}.{key}: wanted a list of strings")
        return tuple(values)

    def data(self, key: str, default: Any = None) -> Any:
        """Take any JSON value."""
        self.taken.add(key)
        try:
            return plain(self.values.get(key, default), f"{self.where}.{key}")
        except ParameterError as error:
            raise InvalidPipeline(str(error)) from error

    def raw(self, key: str) -> Any:
        """Take a value as it stands."""
        self.taken.add(key)
        return self.values.get(key)

    def section(self, key: str) -> "Section":
        """Take a mapping; absent is empty."""
        return Section(self._take(key, dict, {}), f"{self.where}.{key}")

    def list_of_sections(self, key: str) -> list["Section"]:
        """Take a list of mappings."""
        return [Section(value, f"{self.where}.{key}[{index}]") for index, value in enumerate(self._take(key, list, []))]

    def named(self, key: str) -> Iterator[tuple[str, "Section"]]:
        """Take a mapping from names to mappings, each name checked."""
        inner = self.section(key)
        for name, value in inner.values.items():
            yield check_name(name, inner.where), Section(value, f"{inner.where}.{name}")

    def ignore(self, *keys: str) -> None:
        """Take keys that mean nothing to a runner, such as descriptions."""
        self.taken.update(keys)

    def end(self, hint: str = "") -> None:
        """Raise UnsupportedPipeline for the first key that was not taken."""
        for key in self.values:
            if key not in self.taken:
                raise UnsupportedPipeline(f"{self.where}: {key!r} is not supported{hint}")


def check_name(name: str, where: str, longest: int = _LONGEST) -> str:
    """Return a name that is safe as part of a path, if it is not too long for one; InvalidPipeline otherwise."""
    if not _NAME.fullmatch(name) or len(name) > longest:
        raise InvalidPipeline(
            f"{where}: {name[:60]!r} is no name; wanted letters, digits, '-' and '_', at most {longest:,}"
        )
    return name
