"""The OpenAPI document of one model, made from its signature: what a row holds, with an example that it answers."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from artifacts.model.names import BACKGROUND_ROWS, WARM_UP_ROWS
from artifacts.model.rows import read_rows
from serving.signature import DEFAULT_SIGNATURE, EXPLAIN_SIGNATURE, Field, Signature

if TYPE_CHECKING:
    from serving.models.savedmodel import SavedModel

_TYPES: Mapping[str, dict[str, Any]] = {
    "bool": {"type": "boolean"},
    "string": {"type": "string"},
}
_ERROR = {
    "type": "object",
    "required": ["error", "code"],
    "properties": {"error": {"type": "string"}, "code": {"type": "string"}},
}
_ERRORS = {
    "400": "The request does not fit the model; the message names the feature, wanted and got.",
    "404": "There is no such model or version.",
    "413": "The body is too large, or has too many rows.",
    "503": "The server is busy or going; try again after Retry-After seconds.",
}

_EXPLANATION = {
    "prediction": {"type": "number", "description": "The explained output: the most probable of several classes."},
    "base": {"type": "number", "description": "The mean of the background rows."},
    "attributions": {
        "type": "object",
        "additionalProperties": {"type": "number"},
        "description": "By feature; base and attributions add up to the prediction.",
    },
    "residual": {"type": "number", "description": "What is missing in that sum, relatively; at most 1e-6."},
    "method": {"enum": ["exact", "sampled", "signature"]},
}


def document(name: str, version: int, model: "SavedModel") -> dict[str, Any]:
    """Describe how to ask a model for predictions; the schema of a row has the schema's categories as its values."""
    default = model.signatures.get(DEFAULT_SIGNATURE)
    rows = model.rows or default
    takes = {"classify": "examples", "regress": "examples"}
    verbs = {verb: form for verb, form in takes.items() if rows is not None and verb in model.signatures}
    paths = {}
    if default is not None and not default.takes_examples:
        paths[f"/v1/models/{name}:predict"] = {"post": _operation(name, "predict", "instances")}
        if EXPLAIN_SIGNATURE in model.signatures or (model.path / BACKGROUND_ROWS).is_file():
            paths[f"/v1/models/{name}:explain"] = {"post": _explain(name)}
    for verb, form in verbs.items():
        paths[f"/v1/models/{name}:{verb}"] = {"post": _operation(name, verb, form)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"Predictions of {name}",
            "version": str(version),
            "description": "TensorFlow Serving's REST interface, and KServe's for explanations. A row is one object of "
            "features.",
        },
        "paths": paths,
        "components": {"schemas": {"Row": _row(rows, model), "Error": _ERROR}},
    }


def _explain(name: str) -> dict[str, Any]:
    found = _operation(name, "explain", "instances")
    explanation = {"type": "object", "required": [*_EXPLANATION], "properties": _EXPLANATION}
    properties = {"predictions": {"type": "array"}, "explanations": {"type": "array", "items": explanation}}
    answer = {"type": "object", "required": [*properties], "properties": properties}
    found["summary"] = (
        f"What each feature of a row adds to the answer of {name}, from the mean answer of training rows."
    )
    found["responses"]["200"]["content"]["application/json"]["schema"] = answer
    found["responses"]["501"] = found["responses"]["400"] | {"description": "This version cannot be explained."}
    return found


def _operation(name: str, verb: str, form: str) -> dict[str, Any]:
    rows = {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/Row"}}
    body = {"type": "object", "required": [form], "properties": {"signature_name": {"type": "string"}, form: rows}}
    answers = "predictions" if verb == "predict" else "results"
    answer = {"type": "object", "required": [answers], "properties": {answers: {"type": "array"}}}
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {
        "operationId": verb,
        "summary": f"One answer of {name} for each row, in their order.",
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {
            "200": {"description": "The answers.", "content": {"application/json": {"schema": answer}}},
            **{status: {"description": why, "content": error} for status, why in _ERRORS.items()},
        },
    }


def _row(rows: Signature | None, model: "SavedModel") -> dict[str, Any]:
    """Describe one row: an object of features, or any value for a model whose rows nothing describes."""
    if rows is None:
        return {}
    described: dict[str, Any] = {
        "type": "object",
        "required": sorted(rows.required),
        "properties": {field.name: _value(field) for field in rows.inputs},
        "additionalProperties": False,
    }
    try:
        examples = read_rows(model.path / WARM_UP_ROWS, 1)
    except (OSError, ValueError):
        examples = []
    return {**described, "examples": examples} if examples else described


def _value(field: Field) -> dict[str, Any]:
    """Describe the value of one feature in a row."""
    one = dict(_TYPES.get(field.dtype) or {"type": "number" if field.dtype.startswith("float") else "integer"})
    if field.feature is not None and field.feature.values:
        # Examples and not an enumeration: a category that training has not seen is answered, and counted.
        one["examples"] = list(field.feature.values)
    shape = field.shape or (None,)
    for size in reversed(shape[1:]):
        one = {"type": "array", "items": one, **({"minItems": size, "maxItems": size} if size is not None else {})}
    return one
