"""Infer requests of the Open Inference Protocol: the fast decoder makes the same of them as the strict parser."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_decoder import ANYTHING, LIMITS, SIGNATURES, fitting, joined, mostly, mutated, usual

from serving.bodies import requests
from serving.bodies.decoder import decode_infer
from serving.bodies.open_inference import DATATYPES, InferRequest, infer_body, infer_request
from serving.bodies.requests import Feeds
from serving.bodies.strict_json import parse
from serving.errors import RequestError
from serving.signature import Field, Signature

PARAMETERS = st.sampled_from(
    [
        *("{}", '{"a": 1}', '{"a": {"b": [1, 2]}}', '{"binary_data": false}', '{"binary_data": true}', "null", "5"),
        *('{"a": 1e999}', '{"a": NaN}', '{"a": ":"}', '{"a": [[[[[[[[]]]]]]]]}', '{"a": 1, "a": 2}'),
        '{"a": 1' + "0" * 50 + "}",
    ]
)


@st.composite
def tensors(draw: st.DrawFn, field: Field, rows: int) -> str:
    """One tensor for an input; its data may be nested, and now and then something does not fit."""
    inner = list(field.shape[1:]) if field.shape else []
    shape = [rows, *(size or draw(st.integers(1, 2)) for size in inner)]
    if field.is_scalar and draw(st.booleans()):
        shape.append(1)
    flat = Field(field.name, field.dtype, (None,))
    values = draw(st.lists(mostly(fitting(flat), ANYTHING), min_size=math.prod(shape), max_size=math.prod(shape)))
    if len(shape) > 1 and draw(st.booleans()):
        width = shape[-1]
        values = [f"[{','.join(values[at : at + width])}]" for at in range(0, len(values), width)]
    known = st.just(DATATYPES[field.dtype])
    pairs = [
        ("name", json.dumps(field.name)),
        ("shape", draw(mostly(st.just(json.dumps(shape)), st.sampled_from(["[]", "[0]", "[1.0]", "[9999999999999]"])))),
        ("datatype", json.dumps(draw(mostly(known, st.sampled_from(["FP32", "BYTES", "x"]))))),
        ("data", f"[{','.join(values)}]"),
    ]
    if draw(st.integers(0, 5)) == 0:
        pairs.append(("parameters", draw(PARAMETERS)))
    if draw(st.integers(0, 60)) == 0:
        pairs.append(draw(st.sampled_from(pairs)))
    return joined(draw(st.permutations(pairs)))


@st.composite
def infer_bodies(draw: st.DrawFn) -> tuple[Signature, bytes]:
    """A signature, and a body for it that is mutated now and then."""
    signature = SIGNATURES[draw(st.sampled_from(sorted(SIGNATURES)))]
    rows = draw(st.integers(1, 3))
    given_fields = [field for field in signature.inputs if field.required or draw(st.booleans())]
    inputs = [draw(tensors(field, rows)) for field in given_fields]
    outer = [("inputs", f"[{','.join(draw(st.permutations(inputs)))}]")]
    if draw(st.booleans()):
        outer.append(("id", draw(st.sampled_from(['"a"', '"a:b"', r'"\u003a"', "5", '"é"', r'"\ud800"']))))
    if draw(st.integers(0, 5)) == 0:
        outer.append(("parameters", draw(PARAMETERS)))
    if draw(st.integers(0, 30)) == 0:
        outer.append(draw(st.sampled_from([*outer, ("outputs", "[]"), ("extra", "1")])))
    body = joined(draw(st.permutations(outer))).encode("utf-8", "surrogatepass")
    return signature, mutated(body, draw(st.integers(0, 2**32))) if draw(st.integers(0, 4)) == 0 else body


def strictly(body: bytes, signature: Signature) -> tuple[InferRequest, Feeds] | str:
    """What the strict parser makes of a body, or the message with which it refuses it."""
    try:
        asked = infer_request(parse(body, LIMITS), signature)
        return asked, requests.feeds(asked.question, signature, LIMITS.rows)
    except RequestError as error:
        return str(error)


def assert_same(fast: tuple[InferRequest, Feeds], strict: tuple[InferRequest, Feeds] | str) -> None:
    assert not isinstance(strict, str), strict
    assert (fast[0].id, fast[0].outputs) == (strict[0].id, strict[0].outputs)
    assert (fast[1].rows, fast[1].missing, fast[1].unknown) == (strict[1].rows, strict[1].missing, strict[1].unknown)
    assert fast[1].columns.keys() == strict[1].columns.keys()
    for name, tensor in fast[1].columns.items():
        wanted = strict[1].columns[name]
        assert (tensor.dtype, tensor.shape) == (wanted.dtype, wanted.shape), name
        np.testing.assert_array_equal(tensor, wanted)


def one(data: str, **outer: Any) -> bytes:
    tensor = '{"name": "x", "shape": [1], "datatype": "FP32", "data": ' + data + "}"
    return ('{"inputs": [' + tensor + "]" + "".join(f', "{key}": {text}' for key, text in outer.items()) + "}").encode()


@settings(max_examples=120, deadline=None)
@given(infer_bodies())
@example((SIGNATURES["one"], one("[1]", parameters="[[[[[[[[[]]]]]]]]")))
@example((SIGNATURES["one"], one("[[[[[[[1]]]]]]]")))
@example((SIGNATURES["one"], one("[18446744073709551617]")))
@example((SIGNATURES["one"], one('[1], "name": "x"')))
@example((SIGNATURES["one"], one("[0." + "3" * 500 + "]")))
def test_what_is_decoded_fast_is_what_the_strict_parser_reads(case: tuple[Signature, bytes]) -> None:
    signature, body = case
    fast = decode_infer(body, signature, LIMITS)
    if fast is not None:
        assert_same(fast, strictly(body, signature))


@pytest.mark.parametrize("name", ["serving_default", "old", "types", "one", "text"])
@pytest.mark.parametrize("nested", [False, True])
def test_usual_requests_do_not_need_the_strict_parser(name: str, nested: bool) -> None:
    signature, rows = SIGNATURES[name], usual(name, 3)
    tensors = [
        {
            "name": field.name,
            "shape": [3, 1] if nested else [3],
            "datatype": DATATYPES[field.dtype],
            "data": [[row[field.name]] if nested else row[field.name] for row in rows],
        }
        for field in signature.inputs
    ]
    body = json.dumps({"id": "1:2", "parameters": {}, "inputs": tensors}).encode()
    fast = decode_infer(body, signature, LIMITS)
    assert fast is not None
    assert_same(fast, strictly(body, signature))


def test_answers_are_the_same_by_either_encoder() -> None:
    asked = InferRequest("1:2", requests.Question("s", "inputs", {}, {}), ())
    plain, tiny = np.array([[0.25], [1.5]], np.float32), np.array([1e-7, 2.0], np.float64)
    assert json.loads(infer_body(asked, "m", 3, {"p": plain})) == {
        "model_name": "m",
        "model_version": "3",
        "id": "1:2",
        "outputs": [{"name": "p", "datatype": "FP32", "shape": [2, 1], "data": [0.25, 1.5]}],
    }
    assert json.loads(infer_body(asked, "m", 3, {"p": tiny}))["outputs"][0]["data"] == [1e-7, 2.0]
