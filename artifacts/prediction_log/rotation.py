"""When a file of the prediction log is left and the next one begun."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Rotation:
    """Bounds of one file."""

    file_bytes: int = 16 << 20
    """While it is written; the finished one is about four times as large."""
    file_seconds: float = 300.0
