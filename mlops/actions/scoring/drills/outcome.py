"""What a drill saw."""

from typing import NamedTuple


class Outcome(NamedTuple):
    """Whether the mechanism did what it promises; None where the drill could not be held."""

    passed: bool | None
    observed: str
    next_step: str = ""
