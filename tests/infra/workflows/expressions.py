"""What `${{ ... }}` is worth: the part of GitHub's expressions that the workflows use; anything else is an error."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>\d+)|(?P<name>[A-Za-z_][\w-]*)|(?P<mark>&&|\|\||==|!=|[!().,\[\]]))"
)
_WHOLE = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_CONSTANTS: dict[str, Any] = {"true": True, "false": False, "null": None}
STATUS = ("success", "failure", "always", "cancelled")

Context = Mapping[str, Any]


class UnknownExpression(Exception):
    """Something that this reader does not know."""


def interpolated(text: str, context: Context) -> str:
    """Return a text with its expressions replaced by their values."""
    return _WHOLE.sub(lambda match: shown(evaluated(match[1], context)), text)


def evaluated(text: str, context: Context) -> Any:
    """Return the value of one expression, without the braces."""
    reader = _Reader(text, context)
    value = reader.either()
    if reader.tokens:
        raise UnknownExpression(f"{text}: did not expect {reader.tokens[0]!r}")
    return value


def is_true(condition: Any, context: Context) -> bool:
    """Return whether a step or job with this `if` runs; without a function of the status it needs success so far."""
    text = str(condition).strip().removeprefix("${{").removesuffix("}}")
    asks = any(re.search(rf"\b{name}\(", text) for name in STATUS)
    if not asks and not context["functions"]["success"]():
        return False  # without a look at the rest, whose steps may not have run
    return _truth(evaluated(text, context))


def paths(text: str) -> list[str]:
    """Return the context values that a text's expressions read, as in `inputs.release`."""
    found = []
    for expression in _WHOLE.findall(text):
        without = re.sub(r"'(?:[^']|'')*'", "", expression)
        found += re.findall(r"(?<![\w.)\]])[A-Za-z_][\w-]*(?:\.[\w-]+)+", without)
    return found


def shown(value: Any) -> str:
    """Return a value as GitHub writes it into a text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "Object" if isinstance(value, dict | list) else str(value)


class _Reader:
    """Reads one expression from left to right."""

    def __init__(self, text: str, context: Context) -> None:
        self.tokens: list[str] = []
        self._context = context
        position, text = 0, text.strip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise UnknownExpression(f"{text}: cannot be read from {text[position:]!r}")
            self.tokens.append(match[0].strip())
            position = match.end()

    def either(self) -> Any:
        value = self._both()
        while self._next("||"):
            other = self._both()
            value = value if _truth(value) else other
        return value

    def _both(self) -> Any:
        value = self._compared()
        while self._next("&&"):
            other = self._compared()
            value = other if _truth(value) else value
        return value

    def _compared(self) -> Any:
        value = self._single()
        while self.tokens and self.tokens[0] in ("==", "!="):
            is_equality = self.tokens.pop(0) == "=="
            value = (_comparable(value) == _comparable(self._single())) is is_equality
        return value

    def _single(self) -> Any:
        if self._next("!"):
            return not _truth(self._single())
        if self._next("("):
            value = self.either()
            self._need(")")
            return self._followed(value)
        token = self.tokens.pop(0)
        if token.startswith("'"):
            return token[1:-1].replace("''", "'")
        if self._next("("):
            return self._followed(self._called(token))
        return self._followed(self._named(token))

    def _named(self, token: str) -> Any:
        if token in _CONSTANTS:
            return _CONSTANTS[token]
        if token.isdigit():
            return int(token)
        if token not in self._context:
            raise UnknownExpression(f"no context {token!r}")
        return self._context[token]

    def _called(self, name: str) -> Any:
        arguments = []
        while not self._next(")"):
            arguments.append(self.either())
            self._next(",")
        functions: dict[str, Callable[..., Any]] = {
            "fromJSON": json.loads,
            "toJSON": json.dumps,
            "contains": lambda text, part: shown(part) in text,
            **self._context["functions"],
        }
        if name not in functions:
            raise UnknownExpression(f"no function {name!r}")
        return functions[name](*arguments)

    def _followed(self, value: Any) -> Any:
        while self.tokens and self.tokens[0] in (".", "["):
            if self.tokens.pop(0) == ".":
                key: Any = self.tokens.pop(0)
            else:
                key = self.either()
                self._need("]")
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    def _next(self, token: str) -> bool:
        if self.tokens[:1] == [token]:
            self.tokens.pop(0)
            return True
        return False

    def _need(self, token: str) -> None:
        if not self._next(token):
            raise UnknownExpression(f"wanted {token!r}, got {self.tokens[:1]}")


def _truth(value: Any) -> bool:
    return value not in (None, False, 0, "")


def _comparable(value: Any) -> Any:
    """Texts are equal in any case; nothing is the empty text."""
    return value.lower() if isinstance(value, str) else "" if value is None else value
