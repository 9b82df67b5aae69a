"""Twice the body costs twice the steps: no pass over what a client sends is worse than linear.

Steps are counted, not timed: lines of Python, and calls of functions written in C, each of which passes over its bytes
once. What makes one of those slower than linear has a test of its own: long digits, and regular expressions.
"""

import ast
import base64
import gzip
import importlib
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from serving.bodies import requests, strict_json
from serving.bodies.decoder import decode
from serving.bodies.strict_json import MAX_CHARACTERS, MAX_DIGITS, parse
from serving.errors import RequestError
from serving.http.request_body import _inflate
from serving.limits import Limits
from serving.signature import Field, Signature
from tests.backtracking import can_backtrack

ROOT = Path(__file__).resolve().parents[3]
LIMITS = Limits(rows=1 << 20)
SIGNATURES = {
    "serving_default": Signature(
        "serving_default",
        (Field("f", "float32", (None,)), Field("s", "string", (None,)), Field("l", "float32", (None, None))),
        (),
    )
}


def steps(work: Callable[[], Any]) -> int:
    """Count the lines of Python and the calls of C functions that a piece of work takes."""
    count = 0

    def on_line(_: FrameType, event: str, __: Any) -> Any:
        nonlocal count
        count += event in {"line", "c_call"}
        return on_line

    before = sys.gettrace(), sys.getprofile()  # the measuring of coverage is a trace function, too
    sys.settrace(on_line)
    sys.setprofile(on_line)
    try:
        work()
    except RequestError:
        pass
    finally:
        sys.settrace(before[0])
        sys.setprofile(before[1])
    return count


def answer(body: bytes) -> None:
    """Take a body the way of a request: the fast decoder, and the strict parser where that one gives up."""
    if decode(body, SIGNATURES, LIMITS) is None:
        question = requests.predict_question(parse(body, LIMITS))
        requests.feeds(question, SIGNATURES["serving_default"], LIMITS.rows)


def examples(body: bytes) -> None:
    requests.example_rows(requests.example_question(parse(body, LIMITS)), None, LIMITS.rows)


def rows(*values: str) -> bytes:
    return ('{"instances": [' + ",".join(values) + "]}").encode()


def row(f: str = "1.5", s: str = '"a"', inner: str = "[1, 2]") -> str:
    return f'{{"f": {f}, "s": {s}, "l": {inner}}}'


BODIES: dict[str, Callable[[int], bytes]] = {
    "good rows": lambda n: rows(*[row()] * n),
    "rows with colons in strings": lambda n: rows(*[row(s='"1:2"')] * n),
    "base64": lambda n: rows(*[row(s='{"b64": "QUE="}')] * n),
    "long base64": lambda n: rows(row(s=json.dumps({"b64": base64.b64encode(b"a" * 100 * n).decode()}))),
    "long bad base64": lambda n: rows(row(s=json.dumps({"b64": "A" * 100 * n + "?"}))),
    "a string never closed": lambda n: b'{"instances":[' + b"[]," * 40 + b'"' + rb"\"" * 50 * n,
    "many strings and no end": lambda n: b'{"instances":[' + b'[],"a",' * n,
    "brackets in strings": lambda n: rows(*[row(s='"[[[[[[{{{{{"')] * n),
    "deep lists": lambda n: b"[" * n,
    "many lists": lambda n: rows(*["[[]]"] * n),
    "one key many times": lambda n: rows("{" + '"f":1,' * n + '"f":1}'),
    "many unknown keys": lambda n: rows("{" + "".join(f'"k{at}":1,' for at in range(n)) + '"f":1}'),
    "a long unknown key": lambda n: rows('{"' + "f" * 10 * n + '":1}'),
    "a long number": lambda n: rows(row(f="1" * 20 * n)),
    "long numbers": lambda n: rows(*[row(f="0." + "3" * 390)] * n),
    "large integers": lambda n: rows(*[row(f="1" * 39)] * n),
    "a long list": lambda n: rows(row(inner=f"[{','.join(['1.5'] * n)}]")),
    "ragged lists": lambda n: rows(*[row(inner="[1]")] * n, row()),
    "a wrong value at the end": lambda n: rows(*[row()] * n, row(f="true")),
    "escapes": lambda n: rows(row(s='"' + r"\u003a" * n + '"')),
    "broken UTF-8": lambda n: b'{"instances": ["' + b"a" * 50 * n + b'\xff"]}',
    "blanks": lambda n: b" " * 50 * n,
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("read", [answer, examples], ids=["predict", "examples"])
def test_twice_the_body_takes_twice_the_steps(name: str, read: Callable[[bytes], None]) -> None:
    make = BODIES[name]
    bodies = {size: make(size) for size in (200, 400)}
    if read is examples:
        bodies = {size: body.replace(b'"instances"', b'"examples"') for size, body in bodies.items()}
    steps(lambda: read(bodies[200]))  # the first time fills caches
    small, large = (steps(lambda body=body: read(body)) for body in bodies.values())
    assert large <= 2.2 * small + 100, (small, large)


def test_gzip_is_inflated_in_one_pass_up_to_the_cap() -> None:
    bodies = [gzip.compress(b"a" * size) for size in (100_000, 200_000)]
    small, large = (steps(lambda body=body: _inflate(body, 1 << 20)) for body in bodies)
    assert small == large


@pytest.mark.parametrize("text", ["1" * 10_000, "-" + "9" * 41, "0." + "1" * 10_000, "1e" + "0" * 10_000])
def test_long_digits_are_never_converted(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Python converts digits to an integer in quadratic time."""
    converted: list[str] = []

    def spy(kind: Callable[[str], Any]) -> Callable[[str], Any]:
        return lambda digits: converted.append(digits) or kind(digits)

    monkeypatch.setattr(strict_json, "int", spy(int), raising=False)
    monkeypatch.setattr(strict_json, "float", spy(float), raising=False)
    parse(rows(row(f=text), row(f="1.25"), row(f="17")), LIMITS)
    assert {"1.25", "17"} <= set(converted)
    assert all(
        len(digits) <= (MAX_CHARACTERS if "." in digits or "e" in digits else MAX_DIGITS) for digits in converted
    )


def patterns() -> Iterator[tuple[str, str]]:
    """Every regular expression of the server: the first argument of each call of `re`, and where it is."""
    for path in sorted((ROOT / "serving").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                owner = node.func.value
                if isinstance(owner, ast.Name) and owner.id == "re" and node.func.attr != "escape":
                    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
                    argument = compile(ast.Expression(node.args[0]), str(path), "eval")
                    found = eval(argument, dict(vars(importlib.import_module(name))))
                    yield f"{name}:{node.lineno}", found.decode() if isinstance(found, bytes) else found


@pytest.mark.parametrize("bad", ["(a+)+b", "a*a*b", r"(?:x\d+)*y", "(?:(?:a|aa)+)+$"])
def test_the_check_knows_expressions_that_backtrack(bad: str) -> None:
    assert can_backtrack(bad)


def test_no_regular_expression_of_the_server_can_backtrack() -> None:
    found = dict(patterns())
    assert len(found) >= 3
    assert not {place: text for place, text in found.items() if can_backtrack(text)}
    assert re.compile(strict_json.STRING.pattern.decode()).fullmatch('"a')
