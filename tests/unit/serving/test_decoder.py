"""The fast decoder takes only what the strict parser takes, and makes the same tensors of it."""

import base64
import json
import os
import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from artifacts.model.features import Feature
from serving.bodies import requests
from serving.bodies.decoder import Decoded, decode
from serving.bodies.strict_json import parse
from serving.errors import RequestError
from serving.limits import Limits
from serving.signature import DEFAULT_SIGNATURE, Field, Signature

LIMITS = Limits(body_bytes=20_000, rows=8, depth=8)
EXAMPLES = 3000 if os.environ.get("MLOPS_TEST_NIGHTLY") else 120
"""Bodies of each kind that both readers get."""


def signature(name: str, *fields: Field) -> Signature:
    return Signature(name, fields, ())


def described(name: str, dtype: Any, *, count: bool = True, shape: tuple[int | None, ...] = ()) -> Field:
    """An optional feature of a model with a feature file."""
    feature = Feature(name, dtype, False, shape, f"{name}_tensor", f"{name}_count" if count else "", ("a", "b"))
    return Field(name, dtype, (None, *shape), feature)


SIGNATURES: Mapping[str, Signature] = {
    "serving_default": signature(
        "serving_default",
        Field("f", "float32", (None,)),
        Field("i", "int64", (None,)),
        Field("s", "string", (None,), Feature("s", "string", values=("a", "b"))),
        described("of", "float32"),
        described("oi", "int64"),
        described("os", "string"),
    ),
    "old": signature(
        "old",
        Field("f", "float32", (None,)),
        described("of", "float32", count=False),
        described("oi", "int64", count=False),
        described("os", "string", count=False),
    ),
    "mixed": signature(
        "mixed",
        Field("f", "float32", (None,)),
        described("of", "float32"),
        described("og", "float32", count=False),
    ),
    "types": signature(
        "types",
        Field("h", "float16", (None,)),
        Field("d", "float64", (None,)),
        Field("b", "bool", (None,)),
        Field("i8", "int8", (None,)),
        Field("u64", "uint64", (None,)),
    ),
    "lists": signature(
        "lists",
        Field("m", "float32", (None, 2)),
        Field("w", "string", (None, None)),
        Field("any", "int64", None),
        described("l", "float32", shape=(None,)),
    ),
    "one": signature("one", Field("x", "float32", (None,))),
    "text": signature("text", Field("x", "string", (None,))),
    "single": signature("single", Field("x", "float32", ()), Field("y", "float32", (None,))),
}

PLAIN = """0 -0 1 -1 1.0 0.1 1e3 1E-2 16777216 16777217 -16777217 16777217.0 3.4028235e38 3.4028236e38 1e39 1e999 1e-400
127 128 2049 65504 65505 65520 9007199254740993 9223372036854775807 9223372036854775808 -9223372036854775809
18446744073709551615 18446744073709551616 1180591620717411303424 1180591620717411303425 1.8446744073709552e19
NaN Infinity -Infinity 01 1. .5 +1"""
LONG = ["1" * 41, "0." + "3" * 397, "0." + "3" * 399, "1" * 500, "0." + "3" * 500, "1" + "0" * 30]
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False).map(repr)
NUMBERS = st.sampled_from([*PLAIN.split(), *LONG]) | FLOATS
TEXTS = st.sampled_from(
    [
        *("a", "b", "", "12:30", "é😀", "\x00", 'a"b', "\\", "[[[[[[[[[{", "true", "9" * 450, "x:y:"),
        *("\ud800", "\udc00:", "a" * 300),
    ]
)
QUOTED = (
    TEXTS.map(json.dumps)
    | TEXTS.map(lambda text: json.dumps(text, ensure_ascii=False))
    | st.sampled_from([r'"\u003a"', r'"\u003A:"', r'"\/"', r'"\x"', '"a\nb"', '"\x7f"', r'"\\u003a"'])
)
ENCODED = st.binary(max_size=6).map(lambda raw: f'{{"b64": "{base64.b64encode(raw).decode()}"}}') | st.sampled_from(
    [
        '{"b64": "???"}',
        '{"b64": "QQ==", "b64": "QQ=="}',
        '{"b64": "QQ==", "c": 1}',
        '{"b64": 5}',
        r'{"b6\u0034": "QQ=="}',
    ]
)
SCALARS = NUMBERS | QUOTED | ENCODED | st.sampled_from(["true", "false", "null", "{}", "[]"])


def sized(inner: st.SearchStrategy[str], size: int | None = None) -> st.SearchStrategy[str]:
    least, most = (0, 3) if size is None else (size, size)
    return st.lists(inner, min_size=least, max_size=most).map(lambda items: f"[{','.join(items)}]")


ANYTHING = st.recursive(SCALARS, lambda inner: sized(inner) | inner.map(lambda text: f'{{"k": {text}}}'), max_leaves=6)


def fitting(field: Field) -> st.SearchStrategy[str]:
    """JSON texts of values that the field takes, for the most part."""
    if field.dtype == "string":
        good: st.SearchStrategy[str] = QUOTED | ENCODED
    elif field.dtype == "bool":
        good = st.sampled_from(["true", "false"])
    elif field.dtype.startswith("float"):
        good = st.floats(-1000, 1000).map(repr) | st.integers(-1000, 1000).map(str)
    else:
        good = st.integers(0, 100).map(str)
    for size in reversed((field.shape or (None, None))[1:]):
        good = sized(good, size)
    return good


def mostly(good: st.SearchStrategy[str], bad: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.integers(0, 60).flatmap(lambda at: bad if at == 0 else good)


def joined(pairs: list[tuple[str, str]]) -> str:
    return "{" + ", ".join(f"{json.dumps(name)}: {text}" for name, text in pairs) + "}"


@st.composite
def objects(draw: st.DrawFn, fields: tuple[Field, ...], values: Any) -> str:
    """One object with a value for each field; optional fields may be absent, and any may come twice."""
    pairs = [(field.name, draw(values(field))) for field in fields if field.required or draw(st.integers(0, 3)) > 0]
    if pairs and draw(st.integers(0, 40)) == 0:
        pairs.append(draw(st.sampled_from(pairs)))
    if draw(st.integers(0, 40)) == 0:
        pairs.append((draw(TEXTS), draw(SCALARS)))
    return joined(draw(st.permutations(pairs)))


@st.composite
def bodies(draw: st.DrawFn, signatures: Mapping[str, Signature] = SIGNATURES) -> bytes:
    """A body in either form, for one of the signatures, mutated now and then."""
    name = draw(st.sampled_from(sorted(signatures)))
    fields = signatures[name].inputs
    rows = draw(st.integers(1, 4))

    def value(field: Field) -> st.SearchStrategy[str]:
        return mostly(fitting(field), ANYTHING if field.required else ANYTHING | st.just("null"))

    def column(field: Field) -> st.SearchStrategy[str]:
        return st.lists(value(field), min_size=rows, max_size=rows).map(lambda items: f"[{','.join(items)}]")

    form = draw(st.sampled_from(["instances", "inputs"]))
    row = value(fields[0]) if len(fields) == 1 and draw(st.booleans()) else objects(fields, value)
    if form == "instances":
        payload = "[" + ",".join(draw(st.lists(row, min_size=1, max_size=rows))) + "]"
    else:
        payload = draw(objects(fields, column))
    named = [("signature_name", json.dumps(name))] if name != DEFAULT_SIGNATURE or draw(st.booleans()) else []
    outer = [*named, (form, payload)]
    if draw(st.integers(0, 20)) == 0:
        outer.append(draw(st.sampled_from([*outer, ("inputs", "1"), ("extra", "1"), ("signature_name", '"one"')])))
    body = joined(draw(st.permutations(outer))).encode("utf-8", "surrogatepass")
    return mutated(body, draw(st.integers(0, 2**32))) if draw(st.integers(0, 4)) == 0 else body


def mutated(body: bytes, seed: int) -> bytes:
    chance = random.Random(seed)
    cut, count = chance.randrange(len(body)), chance.randrange(3)
    inserted = bytes(chance.choice(b'{}[],:"\\0123456789.eE+- tfn\xff\x00') for _ in range(chance.randrange(3)))
    return body[:cut] + inserted + body[cut + count :]


def strictly(body: bytes, signatures: Mapping[str, Signature] = SIGNATURES, limits: Limits = LIMITS) -> Decoded | str:
    """What the strict parser makes of a body, or the message with which it refuses it."""
    try:
        question = requests.predict_question(parse(body, limits))
        found = signatures.get(question.signature)
        if found is None:
            return "no such signature"
        return Decoded(found, question.form, requests.feeds(question, found, limits.rows))
    except RequestError as error:
        return str(error)


def same(fast: Decoded, strict: Decoded) -> bool:
    assert fast.feeds.columns.keys() == strict.feeds.columns.keys()
    for name, tensor in fast.feeds.columns.items():
        wanted = strict.feeds.columns[name]
        assert (tensor.dtype, tensor.shape) == (wanted.dtype, wanted.shape), name
        np.testing.assert_array_equal(tensor, wanted)
    return (fast.signature, fast.form, fast.feeds.rows, fast.feeds.missing, fast.feeds.unknown) == (
        strict.signature,
        strict.form,
        strict.feeds.rows,
        strict.feeds.missing,
        strict.feeds.unknown,
    )


@settings(max_examples=EXAMPLES, deadline=None)
@given(bodies())
@example(rb'{"instances": [1], "signature_name": "one", "signature_name": "one"}')
@example(rb'{"signature_name": "text", "instances": ["\u003a", "x"], "instances": ["\u003a"]}')
@example(b'{"signature_name": "one", "instances": [18446744073709551617]}')
@example(b'{"signature_name": "one", "instances": [1' + b"0" * 39 + b"]}")
@example(b'{"signature_name": "one", "instances": [[[[[[[1.0]]]]]]]}')
@example(b'{"signature_name": "one", "instances": [0.' + b"3" * 500 + b"]}")
def test_what_is_decoded_fast_is_what_the_strict_parser_reads(body: bytes) -> None:
    fast, strict = decode(body, SIGNATURES, LIMITS), strictly(body)
    if fast is not None:
        assert not isinstance(strict, str), strict
        assert same(fast, strict)


PLAIN_ROWS = [
    {DEFAULT_SIGNATURE: replace(SIGNATURES[name], name=DEFAULT_SIGNATURE)}
    for name in ("serving_default", "old", "mixed", "types")
]
"""Signatures whose rows have a parser of their own."""


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.sampled_from(PLAIN_ROWS).flatmap(lambda signatures: st.tuples(st.just(signatures), bodies(signatures))))
def test_what_the_parser_of_rows_takes_is_what_the_strict_parser_reads(
    case: tuple[Mapping[str, Signature], bytes],
) -> None:
    signatures, body = case
    fast, strict = decode(body, signatures, LIMITS), strictly(body, signatures)
    if fast is not None:
        assert not isinstance(strict, str), strict
        assert same(fast, strict)


def changed(values: Mapping[str, str]) -> bytes:
    """A row of `PLAIN_ROWS[0]` as JSON, with some values as they are given."""
    row = {"f": "1.5", "i": "3", "s": '"a"', "of": "2.5", "oi": "4", "os": '"b"', **values}
    return f'{{"instances": [{joined([(name, text) for name, text in row.items() if text])}]}}'.encode()


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"f": "true"}, "wanted a number that float32 holds, got true"),
        ({"f": "16777217"}, "wanted a number that float32 holds, got 16777217"),
        ({"of": "-33554433"}, "wanted a number that float32 holds, got -33554433"),
        ({"f": "1e39"}, "wanted a number that float32 holds"),
        ({"f": "null"}, "wanted a number that float32 holds, got null"),
        ({"f": '"1.5"'}, "wanted a number that float32 holds"),
        ({"f": "NaN"}, "wanted a finite number, got NaN"),
        ({"f": ""}, "missing feature 'f'"),
        ({"i": "3.0"}, "wanted an integer that int64 holds, got 3.0"),
        ({"i": "false"}, "wanted an integer that int64 holds, got false"),
        ({"i": "9223372036854775808"}, "wanted an integer that int64 holds"),
        ({"oi": '"4"'}, "wanted an integer that int64 holds"),
        ({"s": "1"}, "wanted a string, got 1"),
        ({"s": r'"\ud800"'}, "half a surrogate pair"),
        ({"s": '"\x01"'}, "JSON Parse error"),
        ({"g": "1"}, "unknown feature 'g'"),
        ({"i": '3, "i": 3'}, "the key 'i' appears twice"),
        ({"s": r'"\u003a", "s": "a"'}, "the key 's' appears twice"),
        ({"os": 'null, "os": null'}, "the key 'os' appears twice"),
        ({"of": "", "oi": 'null, "oi": null'}, "the key 'oi' appears twice"),
    ],
)
def test_a_fault_in_a_plain_row_is_left_to_the_parser_that_names_it(values: Mapping[str, str], reason: str) -> None:
    body, signatures = changed(values), PLAIN_ROWS[0]
    assert decode(body, signatures, LIMITS) is None
    refused = strictly(body, signatures)
    assert isinstance(refused, str)
    assert reason in refused


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"f": "16777216", "of": "-0", "i": "-0"},
        {"s": '"12:30:"', "os": '":"'},
        {"of": "", "oi": "", "os": ""},
        {"of": "null", "oi": "null", "os": "null"},
        {"of": "null", "oi": "", "os": '"a:b"'},
        {"s": r'"\u00e9\n"', "os": '"é😀"'},
    ],
)
def test_plain_rows_are_parsed_without_dicts(values: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("msgspec", reason="of the dependency group serving: run `uv sync`")
    body, signatures = changed(values), PLAIN_ROWS[0]
    strict = strictly(body, signatures)
    monkeypatch.setattr(orjson, "loads", None)
    fast = decode(body, signatures, LIMITS)
    assert fast is not None
    assert isinstance(strict, Decoded)
    assert same(fast, strict)
    for name, tensor in fast.feeds.columns.items():
        if tensor.dtype.kind == "f":
            assert np.signbit(tensor).tolist() == np.signbit(strict.feeds.columns[name]).tolist(), name


@pytest.mark.parametrize("rows", [1, 7, 1500], ids=["one", "few", "many"])
@pytest.mark.parametrize("name", ["serving_default", "mixed"])
def test_gaps_among_numbers_are_fed_alike_in_few_rows_and_in_many(name: str, rows: int) -> None:
    signatures, limits = {DEFAULT_SIGNATURE: replace(SIGNATURES[name], name=DEFAULT_SIGNATURE)}, Limits()
    instances = usual(name, rows)
    for at, row in enumerate(instances):
        row["f"] = -0.0 if at % 5 else 2.0**24
        for lacking in {"of"} if at % 3 == 0 else {"og"} & row.keys():
            del row[lacking]
    body = json.dumps({"instances": instances}).encode()
    fast, strict = decode(body, signatures, limits), strictly(body, signatures, limits)
    assert fast is not None
    assert isinstance(strict, Decoded)
    assert same(fast, strict)
    assert fast.feeds.missing["of"] == -(-rows // 3)


def test_requests_share_what_says_that_no_value_is_missing() -> None:
    pytest.importorskip("msgspec", reason="of the dependency group serving: run `uv sync`")
    decoded = decode(changed({}), PLAIN_ROWS[0], LIMITS)
    assert decoded is not None
    with pytest.raises(ValueError, match="read-only"):
        decoded.feeds.columns["of_count"][0] = 0


@pytest.mark.parametrize(
    ("fields", "row"),
    [
        ((described("a", "float32"), described("b", "int64")), b"{}"),
        ((Field("a", "float32", (None,)), described("b", "int64")), b'{"a":1}'),
        ((Field("ä", "int64", (None,)), Field("s", "string", (None,))), '{"ä":1,"s":""}'.encode()),
    ],
    ids=["all optional", "one required", "two required"],
)
def test_more_rows_than_are_taken_are_not_parsed_into_slots(fields: tuple[Field, ...], row: bytes) -> None:
    """A body of `{}` would become a hundred times its bytes, and is charged with less."""
    found = {DEFAULT_SIGNATURE: signature(DEFAULT_SIGNATURE, *fields)}
    assert decode(b'{"instances":[' + b",".join([row] * LIMITS.rows) + b"]}", found, LIMITS) is not None
    parser = found[DEFAULT_SIGNATURE].row_parser
    assert parser is not None
    parser._decoder = None
    assert decode(b'{"instances":[' + b",".join([row] * (LIMITS.rows + 1)) + b"]}", found, LIMITS) is None


def usual(name: str, rows: int) -> list[dict[str, Any]]:
    values = {"float32": 1.5, "float16": 2, "float64": 1e10, "int64": 3, "int8": -4, "uint64": 5, "string": "a:b"}
    shaped: Mapping[str, Any] = {"m": [0.5, 2], "w": ["a", "b"], "any": [[1], [2]], "l": [1.0, 2.0]}
    return [
        {field.name: shaped.get(field.name, values.get(field.dtype, True)) for field in SIGNATURES[name].inputs}
        for _ in range(rows)
    ]


@pytest.mark.parametrize("name", ["serving_default", "old", "types", "lists", "one", "text"])
@pytest.mark.parametrize("lacking", [False, True])
def test_usual_requests_do_not_need_the_strict_parser(name: str, lacking: bool) -> None:
    rows = usual(name, 3)
    for row in rows if lacking else []:
        for field in SIGNATURES[name].inputs:
            if not field.required:
                row.pop(field.name)
    columns = {feature: [row[feature] for row in rows] for feature in rows[0]}
    for request in ({"instances": rows}, {"inputs": columns}):
        body = json.dumps({"signature_name": name, **request}).encode()
        fast, strict = decode(body, SIGNATURES, LIMITS), strictly(body)
        assert fast is not None
        assert isinstance(strict, Decoded)
        assert same(fast, strict)
