"""One version of a model, by number and content."""

import re
from dataclasses import dataclass

from core.errors import RegistryError

VERSION = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
"""A version's folder name.

Python's int() accepts more (`007`, ` 7 `, `1_0`, Arabic digits), and TensorFlow Serving others than Python.
"""
LAST_VERSION = 2**63 - 1
"""TensorFlow Serving keeps versions as signed 64-bit integers."""


@dataclass(frozen=True)
class Pointer:
    """One version of a model by number and content."""

    version: int
    digest: str

    def __str__(self) -> str:
        return f"{self.version}@{self.digest}"

    @classmethod
    def parse(cls, reference: str) -> "Pointer":
        """Parse `3@sha256:<64 hex digits>`; RegistryError for any other text."""
        version, _, digest = reference.partition("@")
        if not is_version(version) or not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
            raise RegistryError(f"wanted a model version such as 3@sha256:<64 hex digits>, got {reference!r}")
        return cls(int(version), digest)


def is_version(text: str) -> bool:
    """Whether a folder name is a version number, read alike by this registry and TensorFlow Serving."""
    return VERSION.fullmatch(text) is not None and int(text) <= LAST_VERSION
