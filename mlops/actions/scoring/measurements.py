"""Keeps what a score measured: one JSON file each, with what it is about."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from artifacts.facts import Facts
from core import durable


class Measurement(Facts):
    """What was measured."""

    name: str
    of: dict[str, str]
    """What it is about: digests of the model, the code, the schema and the configuration."""
    facts: dict[str, Any]
    fault: str = ""
    """Why it could not be measured; then there are no facts."""
    at: str
    """ISO 8601 in UTC."""
    seconds: float


class Measurements:
    """The measurements of one use case in a folder."""

    def __init__(self, folder: Path) -> None:
        """Use a folder, which need not exist."""
        self.folder = folder

    def path(self, name: str) -> Path:
        """Return the file of a measurement."""
        return self.folder / f"{name}.json"

    def read(self, name: str) -> Measurement | None:
        """Return a measurement; None when there is none that can be read."""
        try:
            return Measurement.model_validate_json(self.path(name).read_bytes())
        except (OSError, ValidationError):
            return None

    def write(self, measurement: Measurement) -> None:
        """Keep a measurement, atomically."""
        self.folder.mkdir(parents=True, exist_ok=True)
        durable.replace(self.path(measurement.name), f"{measurement.model_dump_json(indent=2)}\n".encode())
