"""Deletes the lines of one key from a file of JSON lines, such as labels and outcomes; other lines stay as they are."""

import json
from pathlib import Path

from artifacts.deletion import staged


def delete(path: Path, key: str) -> int:
    """Delete the lines whose `key` is this one, and return how many; a line that is no object stays."""
    lines = path.read_bytes().splitlines(keepends=True)
    left = [line for line in lines if not _has(line, key)]
    if len(left) < len(lines):
        with staged.staged(path) as target:
            target.write_bytes(b"".join(left))
            staged.replace(path, len(left), target)
    return len(lines) - len(left)


def _has(line: bytes, key: str) -> bool:
    try:
        content = json.loads(line)
    except ValueError:
        return False
    return isinstance(content, dict) and content.get("key") == key
