"""Bounds that hold at every look at growing samples, each at a stated chance to be wrong.

A comparison looks when the smaller sample has grown by a quarter, from `FIRST` on. Look k may be wrong with the share
1 / ((k + 1) (k + 2)) of the whole chance, and these shares sum to 1: however long it goes on, the chance is kept.
"""

import math
from collections.abc import Sequence

FIRST = 30
"""Fewest samples of each side before the first look."""
_GROWTH = 1.25
_HALVINGS = 40


def look(samples: int) -> int:
    """Return the number of the latest look at so many samples, from 0; -1 when there are too few for any."""
    return math.floor(math.log(samples / FIRST) / math.log(_GROWTH) + 1e-9) if samples >= FIRST else -1


def samples_of(number: int) -> int:
    """Return how many samples a look needs."""
    return math.ceil(FIRST * _GROWTH**number)


def chance(alpha: float, number: int) -> float:
    """Return the share of a chance that a look may take."""
    return alpha / ((number + 1) * (number + 2))


def lowest(hits: int, of: int, alpha: float) -> float:
    """Return a rate that the true one is below with a chance of at most alpha (Chernoff's bound, as divergence)."""
    return 1.0 - highest(of - hits, of, alpha)


def highest(hits: int, of: int, alpha: float) -> float:
    """Return a rate that the true one is above with a chance of at most alpha."""
    if not of:
        return 1.0
    rate, most = hits / of, math.log(1 / alpha) / of
    low, high = rate, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _divergence(rate, middle) <= most else (low, middle)
    return high


def band(of: int, alpha: float) -> float:
    """Return how far an empirical distribution is from the true one, anywhere, but for a chance of alpha (DKW)."""
    return math.sqrt(math.log(2 / alpha) / (2 * of)) if of else 1.0


def quantile(counts: Sequence[int], share: float, alpha: float) -> tuple[int, int]:
    """Return the bins between which a quantile lies: it is above all of the first, and not above the second.

    `counts` are those of the bins, in order. The first is -1 and the second `len(counts)` where the samples do not say.
    Each is wrong with a chance of at most alpha.
    """
    of, below, above, up_to = sum(counts), -1, len(counts), 0
    for at, count in enumerate(counts):
        up_to += count
        if count == 0 and at:
            below = at if below == at - 1 else below
            continue
        if highest(up_to, of, alpha) < share:
            below = at
        if lowest(up_to, of, alpha) >= share:
            above = at
            break
    return below, above


def distance(some: Sequence[int], others: Sequence[int]) -> float:
    """Return the Kolmogorov-Smirnov distance between two samples in the same bins; 1 when one is empty."""
    of_some, of_others = sum(some), sum(others)
    if not of_some or not of_others:
        return 1.0
    furthest, up_to_some, up_to_others = 0.0, 0, 0
    for one, other in zip(some, others, strict=True):
        up_to_some += one
        up_to_others += other
        furthest = max(furthest, abs(up_to_some / of_some - up_to_others / of_others))
    return furthest


def _divergence(rate: float, other: float) -> float:
    """Return the Kullback-Leibler divergence of two rates."""
    if other >= 1.0:
        return 0.0 if rate >= 1.0 else math.inf
    found = 0.0
    if rate > 0:
        found += rate * math.log(rate / other) if other > 0 else math.inf
    if rate < 1:
        found += (1 - rate) * math.log((1 - rate) / (1 - other))
    return found
