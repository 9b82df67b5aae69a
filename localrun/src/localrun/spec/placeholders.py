"""Fills in the placeholders that the compiler leaves in commands and values."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from localrun.errors import OutputError

_PLACEHOLDER = re.compile(r"\{\{\$\.?(.*?)\}\}", re.DOTALL)
_STEP = re.compile(r"\['+([^']+)'+\]|\[\"+([^\"]+)\"+\]|([^.\[\]]+)")


def command_line(parts: Sequence[str], executor_input: Mapping[str, Any], runtime: Mapping[str, str]) -> list[str]:
    """Return a command with every placeholder filled in; optional parts that are absent are left out."""
    filled: list[str] = []
    for part in parts:
        for item in _structure(part, executor_input):
            filled.append(fill(item, executor_input, runtime))
    return filled


def fill(text: str, executor_input: Mapping[str, Any], runtime: Mapping[str, str]) -> str:
    """Replace each placeholder of a string once; placeholders in the values are not expanded."""

    def one(match: re.Match[str]) -> str:
        inner = match[1]
        if not inner:
            return json.dumps(executor_input)
        if inner in runtime:
            return runtime[inner]
        if inner in {"outputs.output_file", "outputMetadataUri"}:
            return str(executor_input["outputs"]["outputFile"])
        return _text(_look_up(inner, executor_input))

    return _PLACEHOLDER.sub(one, text)


def fill_data(value: Any, executor_input: Mapping[str, Any], runtime: Mapping[str, str]) -> Any:
    """Replace the placeholders of all strings in nested JSON data."""
    if isinstance(value, str):
        return fill(value, executor_input, runtime)
    if isinstance(value, Mapping):
        return {key: fill_data(item, executor_input, runtime) for key, item in value.items()}
    return [fill_data(item, executor_input, runtime) for item in value] if isinstance(value, list) else value


def texts(value: Any) -> list[str]:
    """Return all strings of nested JSON data."""
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return [text for item in inner for text in texts(item)]


def inside(value: Any) -> list[str]:
    """Return what stands in the placeholders of nested JSON data; empty text for all that a task is given."""
    return [inner for text in texts(value) for inner in _PLACEHOLDER.findall(text)]


def runtime_names(parts: Sequence[str]) -> set[str]:
    """Names of the placeholders in a command that differ from run to run."""
    return {inner for part in parts for inner in _PLACEHOLDER.findall(part) if inner.startswith("pipeline_")}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _look_up(inner: str, executor_input: Mapping[str, Any]) -> Any:
    steps = [one or two or three for one, two, three in _STEP.findall(inner)]
    side, kind, name, *rest = steps
    if kind == "parameters":
        if side == "inputs":
            return executor_input["inputs"]["parameterValues"].get(name)
        return executor_input["outputs"]["parameters"][name]["outputFile"]
    listed = executor_input[side]["artifacts"].get(name)
    if listed is None:
        return None
    artifact = listed["artifacts"][0]
    if not rest:
        return artifact
    if rest[0] == "metadata":
        return artifact["metadata"].get(rest[1]) if len(rest) > 1 else artifact["metadata"]
    return artifact["uri" if rest[0] == "path" else rest[0]]


def _structure(part: str, executor_input: Mapping[str, Any]) -> list[str]:
    """Resolve `ConcatPlaceholder` and `IfPresentPlaceholder`, which the compiler writes as JSON."""
    if not part.startswith(('{"Concat": ', '{"IfPresent": ')):
        return [part]
    return _resolve(json.loads(part), executor_input)


def _resolve(node: Any, executor_input: Mapping[str, Any]) -> list[str]:
    if node is None:
        return []
    if isinstance(node, str):
        return [node]
    if isinstance(node, list):
        return [text for item in node for text in _resolve(item, executor_input)]
    if "Concat" in node:
        return ["".join(text for item in node["Concat"] for text in _resolve(item, executor_input))]
    if "IfPresent" in node:
        choice = node["IfPresent"]
        return _resolve(
            choice["Then"] if _present(choice["InputName"], executor_input) else choice.get("Else"), executor_input
        )
    raise OutputError(f"the placeholder {json.dumps(node)[:80]} is not supported")


def _present(name: str, executor_input: Mapping[str, Any]) -> bool:
    inputs = executor_input["inputs"]
    return inputs["parameterValues"].get(name) is not None or name in inputs["artifacts"]
