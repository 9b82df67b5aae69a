"""Raw rows as JSON, without loss, as a client of TensorFlow Serving's REST interface sends them.

Text is a string, and bytes that are not UTF-8 are `{"b64": ...}`; a feature that the row lacks is left out.
"""

import base64
import json
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

Row = dict[str, Any]
"""Feature -> value, or list of values."""


def to_json(value: Any) -> Any:
    """Convert a value, or a list of values, to JSON."""
    if isinstance(value, list):
        return [to_json(item) for item in value]
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(value).decode("ascii")}


def from_json(value: Any) -> Any:
    """Convert JSON to a value, or a list of values; strings become bytes. ValueError for invalid base64."""
    if isinstance(value, list):
        return [from_json(item) for item in value]
    if isinstance(value, str):
        return value.encode()
    return base64.b64decode(value["b64"], validate=True) if isinstance(value, dict) else value


def values(row: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Convert a row in JSON to lists of int, float or bytes by feature, as in tf.Example; nulls are left out."""
    present = {name: from_json(value) for name, value in row.items() if value is not None}
    return {name: value if isinstance(value, list) else [value] for name, value in present.items()}


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write one row per line, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f".{path.name}.staging")
    staged.write_text("".join(json.dumps(row, allow_nan=False) + "\n" for row in rows), encoding="utf-8")
    staged.replace(path)


def read_rows(path: Path, most: int) -> list[Row]:
    """Read the first rows, at most `most`; none when there is no file. ValueError for a line that is no JSON object."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8") as lines:
        return [dict(json.loads(line)) for line in islice(lines, most)]
