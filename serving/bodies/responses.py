"""Writes TensorFlow Serving's response bodies, as strict JSON."""

import base64
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson

from serving.bodies.columns import Column
from serving.errors import RequestError, bad_request

Outputs = Mapping[str, Column]


_PLAIN = (1e-4, 1e16)
"""Numbers from the first up to the second are written without an exponent, which encoders write differently."""
_FEW = 16
"""To look at so many values one by one takes less than operations on arrays do."""


def encode(value: Any) -> bytes:
    """Encode a JSON body; ValueError for NaN, which callers must refuse first."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def error_body(message: str, code: str) -> bytes:
    """Encode an error as TensorFlow Serving does, plus a machine-readable code."""
    return encode({"error": message.encode("utf-8", "backslashreplace").decode(), "code": code})


def require_finite(outputs: Outputs) -> None:
    """Raise RequestError (500) when an output has NaN or infinity."""
    for name, values in outputs.items():
        if values.dtype.kind == "f" and not _is_finite(values):
            bad = int(np.count_nonzero(~np.isfinite(values)))
            raise RequestError(
                500,
                "NON_FINITE_OUTPUT",
                f"the model's output {name!r} has {bad} values that are not finite numbers; they are not returned",
            )


def _is_finite(values: Column) -> bool:
    if values.size <= _FEW:
        return all(map(math.isfinite, values.reshape(-1).tolist()))
    return bool(np.count_nonzero(np.isfinite(values)) == values.size)


def predict_body(outputs: Outputs, rows: int | None, form: str) -> bytes:
    """Encode predictions in the request's format: `predictions` by row or `outputs` by column."""
    is_plain = all(map(are_plain_numbers, outputs.values()))
    if not is_plain:  # plain numbers are finite
        require_finite(outputs)
    if is_plain and len(outputs) == 1:
        (only,) = outputs.values()
        is_long = only.dtype.kind == "f" and only.size > _FEW
        if is_long and (form == "inputs" or (only.ndim and len(only) == rows)):
            return _of_array("outputs" if form == "inputs" else "predictions", only)
    plain = {name: _plain(name, values) for name, values in outputs.items()}
    write = orjson.dumps if is_plain else encode
    if form == "inputs":
        return write({"outputs": next(iter(plain.values())) if len(plain) == 1 else plain})
    for name, values in outputs.items():
        if values.ndim == 0 or len(values) != rows:
            raise bad_request(f"the output {name!r} is not one value per row: use the column format, 'inputs'")
    if len(plain) == 1:
        return write({"predictions": next(iter(plain.values()))})
    return write({"predictions": [dict(zip(plain, row, strict=True)) for row in zip(*plain.values(), strict=True)]})


def _of_array(key: str, values: Column) -> bytes:
    """Encode plain numbers with a point without a Python object for each, and as these are written: as doubles."""
    return orjson.dumps({key: np.ascontiguousarray(values, np.float64)}, option=orjson.OPT_SERIALIZE_NUMPY)


def classify_body(outputs: Outputs) -> bytes:
    """Encode classifications: per row a list of [label, score]; labels are class indices if the model has no names."""
    require_finite(outputs)
    scores = outputs.get("scores")
    if scores is None or scores.ndim != 2:
        raise bad_request(
            f"the signature gives {', '.join(outputs)}: classify needs an output 'scores' of shape [rows, classes]"
        )
    classes = outputs.get("classes")
    if classes is not None:
        named = _plain("classes", classes)
    else:
        named = [[str(at) for at in range(scores.shape[1])]] * len(scores)
    results = []
    for labels, row in zip(named, scores.tolist(), strict=True):
        results.append([list(pair) for pair in zip(labels, row, strict=True)])
    return encode({"results": results})


def regress_body(outputs: Outputs) -> bytes:
    """Encode regressions: one number per row."""
    require_finite(outputs)
    values = outputs.get("outputs")
    if values is None or values.dtype.kind != "f" or values.size != len(values):
        raise bad_request(
            f"the signature gives {', '.join(outputs)}: regress needs an output 'outputs' of one number per row"
        )
    return encode({"results": values.reshape(-1).tolist()})


def are_plain_numbers(values: Column) -> bool:
    """Whether a fast encoder writes an output exactly as `encode` does."""
    if values.dtype.kind != "f":
        return values.dtype.kind in "iub"
    least, beyond = _PLAIN
    if values.size <= _FEW:
        return all(least <= abs(value) < beyond or value == 0 for value in values.reshape(-1).tolist())
    sizes = np.abs(values)
    if np.minimum.reduce(sizes, axis=None) >= least and np.maximum.reduce(sizes, axis=None) < beyond:
        return True  # three of five passes, and none for what is NaN
    return bool(((sizes >= least) & (sizes < beyond) | (sizes == 0)).all())


def _plain(name: str, values: Column) -> Any:
    if values.dtype.kind in "OS":
        return text_of(values.tolist(), as_bytes=name.endswith("_bytes"))
    return values.tolist()


def text_of(value: Any, *, as_bytes: bool) -> Any:
    """Decode strings; an output named `*_bytes`, or one that is not UTF-8, becomes base64."""
    if isinstance(value, list):
        return [text_of(item, as_bytes=as_bytes) for item in value]
    raw = value if isinstance(value, bytes) else str(value).encode()
    if not as_bytes:
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            pass
    return {"b64": base64.b64encode(raw).decode()}
