"""Reads TensorFlow Serving's request bodies: row format, column format, and examples of classify and regress."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from functools import partial
from typing import Any

import numpy as np

from core.errors import did_you_mean
from serving.bodies.columns import (
    MISSING,
    Column,
    example_values,
    field_tensors,
    in_column,
    in_row,
    missing_count,
    only_at,
    scalar,
    unknown_count,
)
from serving.bodies.description import printable, show
from serving.bodies.strict_json import Refused
from serving.errors import bad_request, too_large
from serving.signature import DEFAULT_SIGNATURE, Field, Signature

_LISTED = 10
"""Names listed in one message at most."""
_EXAMPLE_TYPES = {int: "int64", float: "float32", str: "string", dict: "string"}
_PREDICT_KEYS = {"signature_name", "instances", "inputs", "parameters"}
"""Vertex AI sends `parameters` beside the instances; nothing here takes any, so they are ignored."""


@dataclass(frozen=True)
class Question:
    """A request body whose outer form is right; `payload` is checked against the signature later."""

    signature: str
    form: str
    """`instances` (rows), `inputs` (columns) or `examples` (classify and regress)."""
    payload: Any
    context: Mapping[str, Any]


@dataclass(frozen=True)
class Feeds:
    """The inputs of a model, and counts for the metrics."""

    columns: Mapping[str, Column]
    """By the names of the signature's tensors."""
    rows: int | None
    """Rows of the batch; None when the inputs are not one batch."""
    missing: Mapping[str, int]
    unknown: Mapping[str, int]
    blocks: Mapping[str, Column] = dataclass_field(default_factory=dict)
    """By dtype, inputs of one value a row that were converted at once, [inputs, rows]; `columns` has views of them."""


def predict_question(document: Any) -> Question:
    """Read the outer form of a predict request; RequestError (400) when it is not TensorFlow Serving's."""
    body = object_of(document, _PREDICT_KEYS, "the request")
    forms = [form for form in ("instances", "inputs") if form in body]
    if len(forms) != 1:
        got = "both" if forms else "neither"
        raise bad_request(f"wanted exactly one of 'instances' (rows) and 'inputs' (columns), got {got}")
    return Question(_signature_name(body), forms[0], body[forms[0]], {})


def example_question(document: Any) -> Question:
    """Read the outer form of a classify or regress request; RequestError (400) when it is not TensorFlow Serving's."""
    body = object_of(document, {"signature_name", "context", "examples"}, "the request")
    if "examples" not in body:
        raise bad_request("wanted 'examples', a list of objects, got nothing")
    context = body.get("context", {})
    if type(context) is not dict:
        raise bad_request(
            f"context: {context.why if isinstance(context, Refused) else 'wanted an object, got ' + show(context)}"
        )
    return Question(_signature_name(body, ""), "examples", body["examples"], context)


def feeds(question: Question, signature: Signature, max_rows: int) -> Feeds:
    """Convert a predict request to the tensors of each input; RequestError (400, 413) names what does not fit."""
    columns, rows = (
        _from_rows(question.payload, signature, max_rows)
        if question.form == "instances"
        else _from_columns(question.payload, signature, max_rows)
    )
    return counted(columns, rows, signature)


def counted(columns: Mapping[str, Column], rows: int | None, signature: Signature) -> Feeds:
    """Count what converted inputs lack, and what the schema does not list."""
    missing = {f.name: count for f in signature.inputs if (count := missing_count(f, columns))}
    unknown = {f.name: count for f in signature.inputs if (count := unknown_count(f, columns))}
    return Feeds(columns, rows, missing, unknown)


def example_rows(question: Question, rows: Signature | None, max_rows: int) -> list[dict[str, list[Any]]]:
    """Convert classify or regress examples to feature -> list of int, float or bytes, one dict per row.

    Types and shapes are those of `rows`, a model's own features; without them, the JSON's types.
    RequestError (400, 413) names what does not fit.
    """
    examples = _batch(question.payload, question.form, max_rows)
    return [
        _example({**question.context, **_row(example, f"{question.form}[{at}]")}, f"{question.form}[{at}]", rows)
        for at, example in enumerate(examples)
    ]


def object_of(value: Any, known: set[str], where: str) -> dict[str, Any]:
    """Return an object that has only known keys; RequestError (400) names the place and the key."""
    if isinstance(value, Refused):
        raise bad_request(f"{where}: {value.why}")
    if type(value) is not dict:
        raise bad_request(f"{where}: wanted an object, got {show(value)}")
    for key in value:
        if key not in known:
            raise bad_request(f"{where}: unknown key {printable(key)}{did_you_mean(key, known)}")
    return value


def _signature_name(body: Mapping[str, Any], default: str = DEFAULT_SIGNATURE) -> str:
    name = body.get("signature_name", default)
    if type(name) is not str:
        raise bad_request(
            f"signature_name: {name.why if isinstance(name, Refused) else 'wanted a string, got ' + show(name)}"
        )
    return name or default


def _batch(values: Any, name: str, max_rows: int) -> list[Any]:
    if type(values) is not list:
        raise bad_request(
            f"{name}: {values.why if isinstance(values, Refused) else 'wanted a list, got ' + show(values)}"
        )
    if not values:
        raise bad_request(f"{name}: wanted at least one row, got none")
    if len(values) > max_rows:
        raise too_large(f"{name}: wanted at most {max_rows} rows, got {len(values)}; send several requests")
    return values


def _row(row: Any, where: str) -> dict[str, Any]:
    if isinstance(row, Refused):
        raise bad_request(f"{where}: {row.why}")
    if type(row) is not dict:
        raise bad_request(f"{where}: wanted an object of features, got {show(row)}")
    return row


def _from_rows(payload: Any, signature: Signature, max_rows: int) -> tuple[dict[str, Column], int]:
    unbatched = [field.name for field in signature.inputs if field.shape == ()]
    if unbatched:
        raise bad_request(
            f"signature {signature.name!r} takes {unbatched[0]!r} without a batch dimension: "
            "use the column format, 'inputs'"
        )
    batch = _batch(payload, "instances", max_rows)
    if len(signature.inputs) == 1 and not names_input(batch[0], signature.inputs[0]):
        only = signature.inputs[0]
        return field_tensors(only, batch, in_column("instances")), len(batch)
    known = signature.fields.keys()
    for at, row in enumerate(batch):
        if type(row) is not dict or row.keys() != known:
            _check_names(_row(row, f"instances[{at}]").keys(), signature, f"instances[{at}]")
    columns: dict[str, Column] = {}
    for field in signature.inputs:
        name = field.name
        columns |= field_tensors(field, [row.get(name, MISSING) for row in batch], in_row(name))
    return columns, len(batch)


def names_input(value: Any, only: Field) -> bool:
    """Whether the value of a model with one input is written as an object with that input's name."""
    return type(value) is dict and not (value.keys() == {"b64"} and only.name != "b64")


def _check_names(names: Any, signature: Signature, where: str) -> None:
    unknown = sorted(names - signature.fields.keys())
    absent = sorted(signature.required - names)
    if not unknown and not absent:
        return
    wrong = [f"unknown feature {printable(name)}{did_you_mean(name, signature.fields)}" for name in unknown[:_LISTED]]
    wrong += [f"missing feature {name!r}" for name in absent[:_LISTED]]
    more = max(len(unknown) - _LISTED, 0) + max(len(absent) - _LISTED, 0)
    raise bad_request(f"{where}: {'; '.join(wrong)}{f'; and {more} more' if more else ''}")


def _from_columns(payload: Any, signature: Signature, max_rows: int) -> tuple[dict[str, Column], int | None]:
    if isinstance(payload, Refused):
        raise bad_request(f"inputs: {payload.why}")
    if len(signature.inputs) == 1 and not names_input(payload, signature.inputs[0]):
        only = signature.inputs[0]
        given, names = {only.name: payload}, {only.name: "inputs"}
    else:
        if type(payload) is not dict:
            raise bad_request(f"inputs: wanted an object of columns, got {show(payload)}")
        _check_names(payload.keys(), signature, "inputs")
        given, names = payload, {name: f"inputs.{name}" for name in signature.fields}
    batched = {
        f.name: _batch(given[f.name], names[f.name], max_rows)
        for f in signature.inputs
        if f.name in given and f.shape != ()
    }
    rows = _same_length(batched, names)
    columns: dict[str, Column] = {}
    for field in signature.inputs:
        name = field.name
        if field.shape == ():
            columns[name] = np.array(
                scalar(field, given[name], only_at(names[name])), object if field.dtype == "string" else field.dtype
            )
        else:
            values: Sequence[Any] = batched.get(name) or [MISSING] * (rows or 0)
            columns |= field_tensors(field, values, in_column(names[name]))
    return columns, rows


def _same_length(columns: Mapping[str, list[Any]], names: Mapping[str, str]) -> int | None:
    lengths = {name: len(values) for name, values in columns.items()}
    if not lengths:
        return None
    first, rows = next(iter(lengths.items()))
    for name, length in lengths.items():
        if length != rows:
            raise bad_request(f"{names[name]}: wanted {rows} values as in {names[first]}, got {length}")
    return rows


def _example(row: Mapping[str, Any], where: str, known: Signature | None) -> dict[str, list[Any]]:
    if known is None:
        return {name: _untyped(value, f"{where}.{printable(name)[1:-1]}") for name, value in row.items()}
    _check_names(row.keys(), known, where)
    found = {name: example_values(known.fields[name], row[name], partial(_in, where, name)) for name in row}
    return {name: values for name, values in found.items() if values}


def _in(where: str, name: str) -> str:
    return f"{where}.{name}"


def _untyped(value: Any, where: str) -> list[Any]:
    """Convert a feature of unknown type by its JSON type, as TensorFlow Serving does."""
    values = value if type(value) is list else [value]
    kinds = {type(item) for item in values}
    if kinds == {int, float}:
        kinds = {float}
    dtype = _EXAMPLE_TYPES.get(next(iter(kinds))) if len(kinds) == 1 else None
    if dtype is None:
        refused = next((item for item in values if isinstance(item, Refused)), None)
        raise bad_request(
            f"{where}: {refused.why if refused else 'wanted numbers, or strings, or a list of one of them'}"
        )
    field = Field(where, dtype, (None,))
    return [scalar(field, item, only_at(where)) for item in values]
