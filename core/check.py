"""One thing that was looked at on this machine, and how to mend it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """What a check found; `fix` is what to type or change, and empty when it is well."""

    name: str
    ok: bool
    found: str
    fix: str = ""
    required: bool = True
    """Whether what was asked for cannot go on without it."""
