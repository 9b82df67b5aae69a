"""One check of this machine, and how to fix what it found."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """The result of a check; `fix` is what to type or change, empty when nothing is wrong."""

    name: str
    ok: bool
    found: str
    fix: str = ""
    required: bool = True
    """Whether the command cannot go on without it."""
