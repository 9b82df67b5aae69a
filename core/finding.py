"""One thing that was checked on this machine, and how to mend it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """What was found; `fix` is what to type or change, empty when nothing is wrong."""

    name: str
    ok: bool
    found: str
    fix: str = ""
    required: bool = True
    """Whether what was asked for cannot go on without it."""
