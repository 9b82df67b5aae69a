"""Free-form configuration that is handed to the user's own functions."""

import json
from typing import Any


def as_written(config: dict[str, Any]) -> dict[str, Any]:
    """Copy a configuration, with whole floats as the integers that they were before they travelled through KFP."""
    return json.loads(json.dumps(config), parse_float=_number)  # type: ignore[no-any-return]


def _number(text: str) -> float | int:
    value = float(text)
    return int(value) if value.is_integer() else value
