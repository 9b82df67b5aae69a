"""The part of the Common Expression Language that the KFP compiler writes into conditions.

Anything else is an error when the pipeline is loaded; a comparison that makes no sense is an error when it is decided.
A broken condition is an error, never false: it must not look like a closed gate.
"""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from localrun.errors import ConditionError

Value = bool | int | float | str

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<parameter>inputs\.parameter_values\[(?:'[^'\\\n]*'|"[^"\\\n]*")\])
      | (?P<number>(?:\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?)
      | (?P<string>'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")
      | (?P<word>[A-Za-z_]\w*)
      | (?P<sign>==|!=|<=|>=|&&|\|\||[<>!()\-])
    )""",
    re.VERBOSE,
)
_ESCAPES = {
    "\\": "\\",
    "'": "'",
    '"': '"',
    "`": "`",
    "?": "?",
    "n": "\n",
    "t": "\t",
    "r": "\r",
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "v": "\v",
}
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_CASTS = frozenset({"int", "double", "string", "bool"})
_DEPTH = 64


@dataclass(frozen=True)
class Expression:
    """A parsed condition: its text, the parameters it names, and the tree that `decide` walks."""

    text: str
    parameters: frozenset[str]
    tree: tuple[Any, ...]

    def decide(self, values: Mapping[str, Any]) -> bool:
        """Return whether the condition holds; ConditionError when that cannot be decided."""
        try:
            result = _evaluate(self.tree, values)
        except ConditionError as error:
            raise ConditionError(f"condition {self.text!r}: {error}") from None
        if not isinstance(result, bool):
            raise ConditionError(f"condition {self.text!r}: wanted true or false, got {result!r}")
        return result


def parse(text: str) -> Expression:
    """Parse a condition; ConditionError names the first thing that is not understood."""
    parser = _Parser(text)
    try:
        tree = parser.either(0)
        parser.end()
    except ConditionError as error:
        raise ConditionError(f"condition {text!r}: {error}") from None
    return Expression(text, frozenset(parser.parameters), tree)


class _Parser:
    """Recursive descent: `||` over `&&` over comparison over `!`, `-`, casts, literals and parentheses."""

    def __init__(self, text: str) -> None:
        self.tokens = _tokens(text)
        self.at = 0
        self.parameters: set[str] = set()

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "the end")

    def take(self, sign: str) -> bool:
        if self.peek() != ("sign", sign):
            return False
        self.at += 1
        return True

    def want(self, sign: str) -> None:
        if not self.take(sign):
            raise ConditionError(f"wanted {sign!r}, got {self.peek()[1]}")

    def end(self) -> None:
        if self.peek()[0] != "end":
            raise ConditionError(f"wanted the end, got {self.peek()[1]}")

    def either(self, depth: int) -> tuple[Any, ...]:
        if depth > _DEPTH:
            raise ConditionError(f"nested deeper than {_DEPTH} levels")
        tree = self.both(depth)
        while self.take("||"):
            tree = ("||", tree, self.both(depth))
        return tree

    def both(self, depth: int) -> tuple[Any, ...]:
        tree = self.comparison(depth)
        while self.take("&&"):
            tree = ("&&", tree, self.comparison(depth))
        return tree

    def comparison(self, depth: int) -> tuple[Any, ...]:
        left = self.unary(depth)
        kind, text = self.peek()
        if kind != "sign" or text not in _COMPARE:
            return left
        self.at += 1
        return ("compare", text, left, self.unary(depth))

    def unary(self, depth: int) -> tuple[Any, ...]:
        if depth > _DEPTH:
            raise ConditionError(f"nested deeper than {_DEPTH} levels")
        if self.take("!"):
            return ("!", self.unary(depth + 1))
        if self.take("-"):
            return ("-", self.unary(depth + 1))
        return self.primary(depth)

    def primary(self, depth: int) -> tuple[Any, ...]:
        kind, text = self.peek()
        self.at += 1
        if kind == "sign" and text == "(":
            tree = self.either(depth + 1)
            self.want(")")
            return tree
        if kind == "number":
            return ("value", int(text) if text.isdigit() else float(text))
        if kind == "string":
            return ("value", _unescape(text[1:-1]))
        if kind == "parameter":
            name = text[text.index("[") + 2 : -2]
            self.parameters.add(name)
            return ("parameter", name)
        if kind == "word":
            return self.word(text, depth)
        raise ConditionError(f"wanted a value, got {text}")

    def word(self, text: str, depth: int) -> tuple[Any, ...]:
        if text in {"true", "false"}:
            return ("value", text == "true")
        if text not in _CASTS:
            raise ConditionError(f"{text!r} is not supported; only comparisons of parameters and literals are")
        self.want("(")
        tree = self.either(depth + 1)
        self.want(")")
        return ("cast", text, tree)


def _tokens(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    at = 0
    end = len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise ConditionError(f"condition {text!r}: {text[at:end].strip()[:20]!r} is not supported")
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return found


def _unescape(text: str) -> str:
    def one(match: re.Match[str]) -> str:
        if match[1] not in _ESCAPES:
            raise ConditionError(f"the escape \\{match[1]} is not supported")
        return _ESCAPES[match[1]]

    return re.sub(r"\\(.)", one, text)


def _evaluate(tree: tuple[Any, ...], values: Mapping[str, Any]) -> Value:
    result: Value
    match tree:
        case ("value", result):
            pass
        case ("parameter", name):
            result = _parameter(name, values)
        case ("cast", name, inner):
            result = _cast(name, _evaluate(inner, values))
        case ("compare", sign, left, right):
            result = _compare(sign, _evaluate(left, values), _evaluate(right, values))
        case ("-", inner):
            result = _negative(_evaluate(inner, values))
        case ("!", inner):
            result = not _truth(_evaluate(inner, values))
        case ("&&", left, right):
            result = _truth(_evaluate(left, values)) and _truth(_evaluate(right, values))
        case (_, left, right):
            result = _truth(_evaluate(left, values)) or _truth(_evaluate(right, values))
    return result


def _parameter(name: str, values: Mapping[str, Any]) -> Value:
    if name not in values:
        raise ConditionError(f"parameter {name!r} has no value")
    value = values[name]
    if not isinstance(value, bool | int | float | str):
        raise ConditionError(
            f"parameter {name!r} is a {type(value).__name__}; only numbers, strings and booleans can be compared"
        )
    return value


def _truth(value: Value) -> bool:
    if not isinstance(value, bool):
        raise ConditionError(f"wanted true or false, got {value!r}")
    return value


def _negative(value: Value) -> Value:
    if isinstance(value, bool | str):
        raise ConditionError(f"wanted a number after '-', got {value!r}")
    return -value


def _compare(sign: str, left: Value, right: Value) -> bool:
    numbers = all(isinstance(side, int | float) and not isinstance(side, bool) for side in (left, right))
    if not numbers and type(left) is not type(right):
        raise ConditionError(
            f"{left!r} {sign} {right!r} compares a {type(left).__name__} with a {type(right).__name__}"
        )
    return _COMPARE[sign](left, right)


def _cast(name: str, value: Value) -> Value:
    try:
        if name == "int":
            return int(value) if not isinstance(value, str) else int(value, 10)
        if name == "double":
            return float(value)
    except (ValueError, OverflowError):
        raise ConditionError(f"{name}({value!r}) is no number") from None
    if name == "bool":
        if isinstance(value, bool):
            return value
        if value in {"true", "false"}:
            return value == "true"
        raise ConditionError(f"bool({value!r}) is neither true nor false")
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
