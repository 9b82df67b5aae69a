"""The key of a request that is split between champion and canary: a header's value, or a column's of its rows."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from serving.errors import RequestError
from serving.versions.split import Keyed, Split

Headers = Iterable[tuple[bytes | str, bytes | str]]


def key_of_body(split: Split, headers: Headers, body: bytes) -> Keyed:
    """Return the key of a request with a JSON body; a body that is not one has none, and is refused later."""
    if split.kind == "header":
        return key_of_headers(split, headers)
    try:
        return _keyed(split, list(_values(orjson.loads(body), split.name)))
    except (ValueError, TypeError, AttributeError, LookupError):
        return Keyed(split.start, None)


def key_of_tensors(split: Split, headers: Headers, tensors: Mapping[str, Any], arrays: Any) -> Keyed:
    """Return the key of a gRPC request; `arrays` turns a tensor, given after its name, into an array."""
    if split.kind == "header":
        return key_of_headers(split, headers)
    if split.name not in tensors:
        return Keyed(split.start, None)
    try:
        return _keyed(split, np.asarray(arrays(split.name, tensors[split.name])).reshape(-1).tolist())
    except (ValueError, RequestError):
        return Keyed(split.start, None)


def key_of_headers(split: Split, headers: Headers) -> Keyed:
    """Return the value of the header; a request without it has no key."""
    wanted = split.name.encode()
    for name, value in headers:
        if _bytes(name).lower() == wanted:
            return Keyed(split.start, _bytes(value))
    return Keyed(split.start, None)


def _values(document: Any, column: str) -> Iterable[Any]:
    """Return a column's value in each row, in any of the forms that the server reads."""
    if "instances" in document or "examples" in document:
        common = document.get("context", {}).get(column)
        return [row.get(column, common) for row in document.get("instances", document.get("examples"))]
    inputs = document["inputs"]
    if isinstance(inputs, dict):
        values = inputs.get(column)
        return values if isinstance(values, list) else [values]
    return next((tensor["data"] for tensor in inputs if tensor["name"] == column), ())


def _keyed(split: Split, values: Sequence[Any]) -> Keyed:
    texts = {_text(value) for value in values}
    if len(texts) > 1:
        return Keyed(split.start, None, is_mixed=True)
    return Keyed(split.start, next(iter(texts), None))


def _text(value: Any) -> bytes | None:
    """Write a value as a key; numbers that are equal, and a list of one value, are the same key."""
    while isinstance(value, list):
        if len(value) != 1:
            return orjson.dumps(value)
        value = value[0]
    if value is None:
        return None
    if isinstance(value, dict):
        value = value.get("b64", "")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, bytes) else str(value).encode()


def _bytes(text: bytes | str) -> bytes:
    return text if isinstance(text, bytes) else text.encode()
