"""Appends outcomes to a file, for replays and for programs on the same machine."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from artifacts.outcomes.reader import written
from core import durable


def append(path: Path, outcomes: Iterable[tuple[str, str | int | float, int]]) -> None:
    """Append (key, label, time in microseconds since 1970) as lines, in one write, and wait until they are on the disk.

    A torn last line, of a writer that died, is ended first, so that it damages no line but itself.
    """
    append_lines(path, ({"key": key, "label": label, "time": written(time)} for key, label, time in outcomes))


def append_lines(path: Path, objects: Iterable[dict[str, Any]]) -> None:
    """Append JSON objects as lines, as `append` does."""
    lines = [json.dumps(one, allow_nan=False, ensure_ascii=False) for one in objects]
    path.parent.mkdir(parents=True, exist_ok=True)
    with durable.named(path), path.open("a+b") as stream:
        if stream.tell() and not _ends_with_newline(stream.fileno(), stream.tell()):
            lines.insert(0, "")
        stream.write("".join(f"{line}\n" for line in lines).encode())
        stream.flush()
        os.fsync(stream.fileno())


def _ends_with_newline(handle: int, size: int) -> bool:
    return os.pread(handle, 1, size - 1) == b"\n"
