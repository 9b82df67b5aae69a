"""Finds regular expressions that take more than linear time on some text."""

import re._constants as sre
import re._parser as sre_parser
from typing import Any

UNBOUNDED = 1000


def can_backtrack(expression: str | bytes) -> bool:
    """Whether a failed match may be tried again in more than linearly many ways.

    That takes a repetition without end inside of another, or two in a row; possessive ones are never tried again.
    """
    return _can_backtrack(sre_parser.parse(expression))


def _can_backtrack(tokens: Any, *, repeated: bool = False) -> bool:
    in_a_row = 0
    for kind, value in tokens:
        inner: list[Any] = []
        endless = kind in {sre.MAX_REPEAT, sre.MIN_REPEAT} and value[1] > UNBOUNDED
        in_a_row += endless
        if kind in {sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT}:
            inner = [value[2]]
        elif kind is sre.SUBPATTERN:
            inner = [value[3]]
        elif kind is sre.BRANCH:
            inner = list(value[1])
        elif kind is sre.ATOMIC_GROUP:
            inner = [value]
        once = kind in {sre.POSSESSIVE_REPEAT, sre.ATOMIC_GROUP}
        if (endless and repeated) or in_a_row > 1:
            return True
        if any(_can_backtrack(part, repeated=not once and (repeated or endless)) for part in inner):
            return True
    return False
