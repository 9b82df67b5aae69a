"""When a file of the prediction log is finished and the next one begun."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Rotation:
    """Bounds of one file."""

    file_bytes: int = 64 << 20
    file_seconds: float = 300.0
