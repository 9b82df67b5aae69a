"""The rungs of successive halving."""

import math
from typing import NamedTuple


class Rung(NamedTuple):
    """So many trials of so many epochs."""

    trials: int
    epochs: int


def halving_rungs(trials: int, epochs: int, factor: int) -> list[Rung]:
    """Return the rungs of successive halving: at each, one of `factor` goes on with `factor` times the epochs."""
    count = 1 + int(math.log(trials, factor) + 1e-9)
    rungs = []
    for rung in range(count):
        shortened = factor ** (count - 1 - rung)
        rungs.append(Rung(max(trials // factor**rung, 1), max(math.ceil(epochs / shortened), 1)))
    return rungs
