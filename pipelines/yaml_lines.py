"""Reads YAML with the line of every key; a key that is written twice is an error."""

from pathlib import Path
from typing import Any

import yaml

from core.errors import ConfigError

KeyPath = tuple[str | int, ...]
"""Keys and list indices that lead to a value, such as `("problem", "metrics", 0, "name")`."""


class YamlFile:
    """A YAML mapping and the line of each of its keys."""

    def __init__(self, path: Path) -> None:
        """Read the file; ConfigError names it and the line when it is not a YAML mapping."""
        self.path = path
        self.lines: dict[KeyPath, int] = {}
        try:
            text = path.read_text(encoding="utf-8-sig")
            node = yaml.compose(text, Loader=yaml.CSafeLoader)
            content = yaml.load(text, Loader=yaml.CSafeLoader)
        except FileNotFoundError:
            raise ConfigError(f"{path}: there is no such file") from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: not readable as YAML: {error}") from error
        if not isinstance(content, dict):
            raise ConfigError(f"{path}: wanted a mapping of sections, got {type(content).__name__}")
        self.content: dict[str, Any] = content
        self._walk(node, ())

    def where(self, place: KeyPath) -> str:
        """Return `file:line: key.path` of the nearest known ancestor of a place."""
        known = tuple(step if place[: at + 1] in self.lines else str(step) for at, step in enumerate(place))
        while known and known not in self.lines:
            known = known[:-1]
        line = self.lines.get(known, 1)
        return f"{self.path}:{line}: {'.'.join(map(str, place)) or 'the file'}"

    def _walk(self, node: yaml.Node | None, place: KeyPath) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                at = (*place, key.value)
                if at in self.lines:
                    raise ConfigError(
                        f"{self.path}:{key.start_mark.line + 1}: {'.'.join(map(str, at))} is written twice "
                        f"(first on line {self.lines[at]})"
                    )
                self.lines[at] = key.start_mark.line + 1
                self._walk(value, at)
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                self.lines[(*place, index)] = value.start_mark.line + 1
                self._walk(value, (*place, index))
