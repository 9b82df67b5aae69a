"""Free-form configuration that is passed to the user's own functions."""

import json
from typing import Any


def as_written(config: dict[str, Any]) -> dict[str, Any]:
    """Copy a configuration with whole floats as integers again: KFP turns every number of a `dict` into a float."""
    return json.loads(json.dumps(config), parse_float=_number)  # type: ignore[no-any-return]


def _number(text: str) -> float | int:
    value = float(text)
    return int(value) if value.is_integer() else value
