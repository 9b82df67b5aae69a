"""Finds values of a section that KFP cannot pass to a step unchanged: it passes JSON, without null."""

import math
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from pipelines.yaml_lines import KeyPath

_LARGEST = 2**53
"""KFP carries every number as a double; an integer beyond this one arrives rounded."""


def faults(value: Any, place: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    """Yield the place of each value that would be changed or lost on its way to a step, and what to write instead."""
    if isinstance(value, BaseModel):
        yield from _in_model(value, place)
    elif isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                yield (*place, str(key)), f"wanted text as a key, got {_shown(key)}; put it in quotes"
            yield from faults(inner, (*place, str(key)))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from faults(inner, (*place, index))
    elif why := _fault(value):
        yield place, why


def _in_model(model: BaseModel, place: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if value is not None:
            yield from faults(value, (*place, name))
        elif field.get_default(call_default_factory=True) is not None:
            yield (*place, name), "null does not reach a step, and its default is another; write a value"


def _fault(value: Any) -> str:
    """Return what is wrong with a plain value; empty when it is passed unchanged."""
    if value is None:
        return "null does not reach a step; leave the key out, or write a value"
    if isinstance(value, float) and not math.isfinite(value):
        return f"wanted a finite number, got {value}"
    if isinstance(value, int) and abs(value) > _LARGEST:
        return f"{value} is beyond 2^53 and would arrive rounded; put it in quotes"
    if not isinstance(value, str | int | float):
        return f"wanted text, a number, true, false, a list or a mapping, got {_shown(value)}; put it in quotes"
    return ""


def _shown(value: Any) -> str:
    return f"{value} ({type(value).__name__})"
