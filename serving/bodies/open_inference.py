"""The bodies of the Open Inference Protocol, version 2: tensors with a name, a datatype, a shape and flat data.

See https://github.com/open-inference/open-inference-protocol. Data travel as JSON; the binary extension is not taken.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import orjson

from core.errors import did_you_mean
from serving.bodies.columns import Column
from serving.bodies.description import printable, show
from serving.bodies.requests import Question, object_of
from serving.bodies.responses import are_plain_numbers, encode, require_finite, text_of
from serving.bodies.strict_json import Refused
from serving.errors import bad_request
from serving.signature import DEFAULT_SIGNATURE, Field, Signature

DATATYPES = {
    "bool": "BOOL",
    "uint8": "UINT8",
    "uint16": "UINT16",
    "uint32": "UINT32",
    "uint64": "UINT64",
    "int8": "INT8",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
    "float16": "FP16",
    "float32": "FP32",
    "float64": "FP64",
    "string": "BYTES",
}
"""Numpy's names -> the protocol's."""
_KINDS = {name: name.rstrip("0123456789").removeprefix("U") for name in DATATYPES.values()}
"""Datatypes of one kind differ in size; whether each value fits is checked one by one."""
_MOST_DIMENSIONS = 32


@dataclass(frozen=True)
class InferRequest:
    """An infer request whose tensors are turned into columns."""

    id: str
    question: Question
    outputs: tuple[str, ...]
    """Names of the outputs asked for; all when empty."""


def infer_request(document: Any, signature: Signature) -> InferRequest:
    """Read an infer request for a signature; RequestError (400) names what does not fit."""
    body = object_of(document, {"id", "parameters", "inputs", "outputs"}, "the request")
    id_ = body.get("id", "")
    if type(id_) is not str:
        raise bad_request(f"id: wanted a string, got {show(id_)}")
    _check_parameters(body.get("parameters"), "parameters")
    columns: dict[str, list[Any]] = {}
    for at, tensor in enumerate(_list(body.get("inputs"), "inputs")):
        name, values = _input(tensor, f"inputs[{at}]", signature)
        if name in columns:
            raise bad_request(f"inputs[{at}]: the input {printable(name)} is there twice")
        columns[name] = values
    outputs = _outputs(body["outputs"], signature) if "outputs" in body else ()
    return InferRequest(id_, Question(signature.name, "inputs", columns, {}), outputs)


def infer_body(asked: InferRequest, model: str, version: int, outputs: Mapping[str, Column]) -> bytes:
    """Encode the outputs of an infer request; RequestError (500) for one that is not finite."""
    named = {name: outputs[name] for name in asked.outputs or outputs}
    require_finite(named)
    tensors = [_output(name, values) for name, values in named.items()]
    about = {"id": asked.id} if asked.id else {}
    write = orjson.dumps if all(map(are_plain_numbers, named.values())) else encode
    return write({"model_name": model, "model_version": str(version), **about, "outputs": tensors})


def model_metadata(name: str, versions: Sequence[int], signatures: Mapping[str, Signature]) -> dict[str, Any]:
    """Describe a model as the protocol does; without inputs where it has no default signature."""
    signature = signatures.get(DEFAULT_SIGNATURE)
    return {
        "name": name,
        "versions": [str(version) for version in versions],
        "platform": "tensorflow_savedmodel",
        "inputs": [_described(field) for field in signature.inputs] if signature else [],
        "outputs": [_described(field) for field in signature.outputs] if signature else [],
    }


def _list(value: Any, where: str) -> list[Any]:
    if isinstance(value, Refused):
        raise bad_request(f"{where}: {value.why}")
    if type(value) is not list or not value:
        raise bad_request(f"{where}: wanted a list of tensors, got {show(value)}")
    return value


def _check_parameters(value: Any, where: str) -> None:
    """Take parameters, which are for other servers, but refuse the one that would change how data travel."""
    if value is None:
        return
    parameters = object_of(value, set(value) if type(value) is dict else set(), where)
    if parameters.get("binary_data") or "binary_data_size" in parameters or parameters.get("binary_data_output"):
        raise bad_request(f"{where}: this server takes and gives data as JSON: leave the binary extension out")


def _input(value: Any, where: str, signature: Signature) -> tuple[str, list[Any]]:
    """Turn a tensor into the values of one input, one per row."""
    tensor = object_of(value, {"name", "shape", "datatype", "parameters", "data"}, where)
    _check_parameters(tensor.get("parameters"), f"{where}.parameters")
    name = tensor.get("name")
    if type(name) is not str or name not in signature.fields:
        hint = did_you_mean(name, signature.fields) if type(name) is str else ""
        raise bad_request(f"{where}.name: got {show(name)}, which is no input{hint}")
    field = signature.fields[name]
    wanted = DATATYPES.get(field.dtype, field.dtype)
    got = tensor.get("datatype")
    if type(got) is not str or _KINDS.get(got) != _KINDS.get(wanted):
        raise bad_request(f"{where}.datatype: wanted {wanted} for {name!r}, got {show(got)}")
    shape = _shape(tensor.get("shape"), f"{where}.shape")
    flat = _flat(tensor.get("data"), f"{where}.data", math.prod(shape))
    if field.shape == ():
        return name, flat[0]
    # A column of one value a row is that of the values: both are taken.
    return name, flat if field.is_scalar and shape[1:] == [1] else _rows(flat, shape)


def _shape(value: Any, where: str) -> list[int]:
    if (
        type(value) is not list
        or not 0 < len(value) <= _MOST_DIMENSIONS
        or not all(type(size) is int and size > 0 for size in value)
    ):
        raise bad_request(f"{where}: wanted a list of positive integers, the first one the rows, got {show(value)}")
    return value


def _flat(value: Any, where: str, wanted: int) -> list[Any]:
    """Flatten data, which may be nested in any way; a list is as long as the shape says."""
    if isinstance(value, Refused):
        raise bad_request(f"{where}: {value.why}")
    if type(value) is not list:
        raise bad_request(f"{where}: wanted a list, got {show(value)}")
    flat = value
    while list in set(map(type, flat)):
        flat = list(chain.from_iterable(item if type(item) is list else [item] for item in flat))
    if len(flat) != wanted:
        raise bad_request(f"{where}: wanted {wanted} values as the shape says, got {len(flat)}")
    return flat


def _rows(flat: list[Any], shape: Sequence[int]) -> list[Any]:
    """Nest flat values as the shape says."""
    nested = flat
    for size in reversed(shape[1:]):
        nested = [nested[at : at + size] for at in range(0, len(nested), size)]
    return nested


def _outputs(value: Any, signature: Signature) -> tuple[str, ...]:
    known = [field.name for field in signature.outputs]
    names = []
    for at, asked in enumerate(_list(value, "outputs")):
        output = object_of(asked, {"name", "parameters"}, f"outputs[{at}]")
        _check_parameters(output.get("parameters"), f"outputs[{at}].parameters")
        name = output.get("name")
        if type(name) is not str or name not in known:
            hint = did_you_mean(name, known) if type(name) is str else ""
            raise bad_request(f"outputs[{at}].name: got {show(name)}, which is no output{hint}")
        names.append(name)
    return tuple(dict.fromkeys(names))


def _output(name: str, values: Column) -> dict[str, Any]:
    is_text = values.dtype.kind in "OS"
    datatype = "BYTES" if is_text else DATATYPES[str(values.dtype)]
    flat = values.reshape(-1).tolist()
    data = text_of(flat, as_bytes=name.endswith("_bytes")) if is_text else flat
    return {"name": name, "datatype": datatype, "shape": list(np.shape(values)), "data": data}


def _described(field: Field) -> dict[str, Any]:
    shape = [-1] if field.shape is None else [-1 if size is None else size for size in field.shape]
    return {"name": field.name, "datatype": DATATYPES.get(field.dtype, field.dtype), "shape": shape}
