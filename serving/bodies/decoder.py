"""Decodes a predict or infer request at once, where that provably gives what the strict parser gives.

A fast parser keeps the last of two equal keys, makes floats of huge integers and takes numbers of any length. Bodies
that may have one of these, and bodies with any other fault, are left to `strict_json` and `requests`, which name it.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import orjson

from serving.bodies import plain_rows
from serving.bodies.arrays import BEYOND_INTEGERS
from serving.bodies.columns import Column, field_tensors, in_row, missing_count, unknown_count
from serving.bodies.open_inference import InferRequest, infer_request
from serving.bodies.requests import Feeds, names_input, predict_question
from serving.bodies.scalars import Fed, Values, convert
from serving.bodies.strict_json import MAX_CHARACTERS
from serving.errors import RequestError
from serving.limits import Limits
from serving.signature import DEFAULT_SIGNATURE, EXACT_INTEGERS, Signature

_OUTER_DEPTH = 3
"""Levels of a request around a value: the document, its rows or columns, and a row's object or a value's base64."""
_STRIDE = 19
_SAMPLED = b"0" * (MAX_CHARACTERS // _STRIDE)
_LONG = b"0" * MAX_CHARACTERS
_COLON = np.uint8(ord(":"))
"""Of the type of a body's bytes: with another, numpy would look for the type of the result."""
_SHORT = 4096
"""To count a byte in so few takes less than to make an array of them."""
_INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
_CHECKED = {dtype: {float, int} for dtype in EXACT_INTEGERS} | {dtype: {int} for dtype in _INTEGERS}
"""The types that the parser of rows lets through, and that numbers of each dtype may be made of."""
_AS_ZERO = bytes.maketrans(b"123456789.eE+-", b"0" * 14)


class Decoded(NamedTuple):
    """A predict request whose inputs are converted."""

    signature: Signature
    form: str
    """`instances` (rows) or `inputs` (columns)."""
    feeds: Feeds
    spent: Any = None
    """What the feeds were made of."""


def decode(body: bytes, signatures: Mapping[str, Signature], limits: Limits) -> Decoded | None:
    """Decode a predict request; None when the strict parser has to read it."""
    if len(body) > limits.body_bytes or limits.depth <= _OUTER_DEPTH or _may_have_long_number(body):
        return None
    return _decode_rows(body, signatures.get(DEFAULT_SIGNATURE), limits) or _decode_any(body, signatures, limits)


def _decode_rows(body: bytes, signature: Signature | None, limits: Limits) -> Decoded | None:
    """Decode a request of plain rows, as most are, in half the time."""
    if signature is None or signature.row_parser is None:
        return None
    parsed = signature.row_parser.parse(body, limits.rows)
    if parsed is None:
        return None
    fed = plain_rows.feeds(signature, parsed.columns, parsed.rows)
    if fed is None:
        columns = dict(zip(signature.fields, parsed.columns, strict=True))
        fed = _convert(signature, Values(columns, parsed.rows, 0, _CHECKED), limits)
    if fed is None:
        return None
    keys = parsed.keys + parsed.rows * len(signature.inputs) - sum(fed.missing.values())
    colons = _count_colons(body)
    if colons != keys:
        nulls = sum(column.count(None) for column in parsed.columns) - parsed.absent
        positions = signature.scalars["string"].positions if "string" in signature.scalars else ()
        texts = [value for at in positions for value in parsed.columns[at] if value]
        if rb"\u003" in body or colons != keys + nulls + "".join(texts).count(":"):
            return None
    return Decoded(signature, "instances", _feeds(signature, parsed.rows, fed), parsed)


def _decode_any(body: bytes, signatures: Mapping[str, Signature], limits: Limits) -> Decoded | None:
    try:
        document = orjson.loads(body)
        question = predict_question(document)
    except (orjson.JSONDecodeError, RequestError):
        return None
    signature = signatures.get(question.signature)
    if signature is None or document.get("parameters"):
        return None
    if question.form == "instances":
        values = _row_values(question.payload, signature, limits.rows)
    else:
        values = _column_values(question.payload, signature)
    if values is None or not 0 < values.rows <= limits.rows:
        return None
    fed = _convert(signature, values, limits)
    if fed is None or not _keys_are_unique(body, document, len(document) + values.keys):
        return None
    return Decoded(signature, question.form, _feeds(signature, values.rows, fed))


def decode_infer(body: bytes, signature: Signature, limits: Limits) -> tuple[InferRequest, Feeds] | None:
    """Decode an infer request of the Open Inference Protocol; None when the strict parser has to read it."""
    if len(body) > limits.body_bytes or _may_have_long_number(body):
        return None
    try:
        document = orjson.loads(body)
        asked = infer_request(document, signature)
    except (orjson.JSONDecodeError, RequestError):
        return None
    if _depth(document) > limits.depth:
        return None
    values = _column_values(asked.question.payload, signature)
    if values is None or not 0 < values.rows <= limits.rows:
        return None
    fed = _convert(signature, values, limits)
    if fed is None or not _keys_are_unique(body, document, -1):
        return None
    return asked, _feeds(signature, values.rows, fed)


def _feeds(signature: Signature, rows: int, fed: Fed) -> Feeds:
    doubtful = signature.listed_of_many if fed.listed else signature.listed
    unknown = {field.name: count for field in doubtful if (count := unknown_count(field, fed.tensors))}
    return Feeds(fed.tensors, rows, fed.missing, unknown, fed.blocks)


def _may_have_long_number(body: bytes) -> bool:
    """Whether a number may be longer than the strict parser takes; samples find most bodies free of such numbers."""
    # `find`, as `in` makes an exception first: it tries to take what is looked for as a number.
    if len(body) < MAX_CHARACTERS or body[::_STRIDE].translate(_AS_ZERO).find(_SAMPLED) < 0:
        return False
    return body.translate(_AS_ZERO).find(_LONG) >= 0


def _row_values(rows: Any, signature: Signature, max_rows: int) -> Values | None:
    """Turn rows into columns, if each row has exactly the signature's inputs."""
    if type(rows) is not list or not 0 < len(rows) <= max_rows or not signature.is_batched:
        return None
    if len(signature.inputs) == 1 and not names_input(rows[0], signature.inputs[0]):
        return Values({signature.inputs[0].name: rows}, len(rows), 0)
    if set(map(type, rows)) != {dict} or min(map(len, rows)) < len(signature.required):
        return None
    width = len(signature.inputs)
    whole = [row if len(row) == width else {**signature.absent, **row} for row in rows]
    if set(map(len, whole)) != {width}:
        return None
    try:
        columns = zip(*map(signature.values_of, whole), strict=True)
    except KeyError:
        return None
    return Values(dict(zip(signature.fields, columns, strict=True)), len(rows), sum(map(len, rows)))


def _column_values(columns: Any, signature: Signature) -> Values | None:
    """Take the columns, if they are exactly the signature's inputs and equally long."""
    if not signature.is_batched:
        return None
    if len(signature.inputs) == 1 and not names_input(columns, signature.inputs[0]):
        return Values({signature.inputs[0].name: columns}, len(columns), 0) if type(columns) is list else None
    if type(columns) is not dict or set(map(type, columns.values())) != {list}:
        return None
    rows = len(next(iter(columns.values())))
    whole = {**{name: [absent] * rows for name, absent in signature.absent.items()}, **columns}
    if whole.keys() != signature.fields.keys() or set(map(len, whole.values())) != {rows}:
        return None
    return Values(whole, rows, len(columns))


def _convert(signature: Signature, values: Values, limits: Limits) -> Fed | None:
    fed = Fed({}, {}, {}, set())
    others = list(signature.others)
    for dtype, inputs in signature.scalars.items():
        if not convert(dtype, inputs, values, fed):
            if dtype != "string":
                return None
            others += inputs.fields  # there may be base64 among the values
    for field in others:
        try:
            tensors = field_tensors(field, values.by_name[field.name], in_row(field.name))
        except RequestError:
            return None
        if any(_is_doubtful(tensor, limits.depth) for tensor in tensors.values()):
            return None
        fed.tensors.update(tensors)
        if lacking := missing_count(field, tensors):
            fed.missing[field.name] = lacking
    return fed


def _is_doubtful(tensor: Column, depth: int) -> bool:
    """Whether a value is nested too deep, or so large that the body may have had it as an integer."""
    is_float = tensor.dtype.kind == "f"
    return tensor.ndim + _OUTER_DEPTH > depth or (is_float and bool((np.abs(tensor) >= BEYOND_INTEGERS).any()))


def _keys_are_unique(body: bytes, document: Any, keys: int) -> bool:
    """Whether the body has as many colons as the parsed document has keys, and colons in its strings."""
    colons = _count_colons(body)
    return colons == keys or (rb"\u003" not in body and colons == _colons(document))


def _count_colons(body: bytes) -> int:
    if len(body) < _SHORT:
        return body.count(b":")
    return int(np.count_nonzero(np.equal(np.frombuffer(body, np.uint8), _COLON)))  # four times as fast as bytes.count


def _colons(value: Any) -> int:
    """Count the colons of a parsed value in JSON: one for each key, and those in strings."""
    if type(value) is str:
        return value.count(":")
    if type(value) is list:
        kinds = set(map(type, value))
        if kinds <= {str}:
            return "".join(value).count(":")
        return sum(map(_colons, value)) if kinds & {str, list, dict} else 0
    if type(value) is dict:
        return len(value) + sum(map(_colons, value)) + sum(map(_colons, value.values()))
    return 0


def _depth(value: Any) -> int:
    """Return how deep a parsed value is nested; a number or a string is 0 deep."""
    if type(value) is dict:
        value = value.values()
    elif type(value) is not list:
        return 0
    kinds = set(map(type, value))
    return 1 + (max(map(_depth, value)) if kinds & {list, dict} else 0)
