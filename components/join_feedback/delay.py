"""How long labels took to become known."""

from artifacts.feedback.report import Delay
from components.join_feedback.table import Table

_QUANTILES = (0.1, 0.5, 0.9, 0.99, 1.0)
_DAYS = (0, 1 / 24, 0.25, 0.5, 1, 2, 3, 4, 5, 6, 7, 10, 14, 21, 30, 45, 60, 90, 180, 365)
_DAY_US = 86_400_000_000
_DELAYS = "SELECT first - time AS delay FROM answered WHERE state = 'labeled' ORDER BY delay LIMIT 1 OFFSET ?"
_CURVE = (
    "SELECT count(*), sum(state = 'labeled' AND first - time <= :days) FROM answered "
    "WHERE time <= :old_enough AND state IN ('labeled', 'waiting', 'overdue')"
)


def delay(table: Table, as_of: int) -> Delay:
    """Return the quantiles of the known labels' delay, and the share of labels that are known after some days.

    The curve counts at each delay only the rows that are at least so old.
    """
    labeled = table.count("SELECT count(*) FROM answered WHERE state = 'labeled'")
    quantiles = {}
    for share in _QUANTILES if labeled else ():
        place = min(int(share * labeled), labeled - 1)
        quantiles[f"{share:g}"] = table.count(_DELAYS, place) / _DAY_US
    curve = []
    for days in _DAYS:
        microseconds = round(days * _DAY_US)
        rows, known = next(
            table.select(_CURVE.replace(":days", "?1").replace(":old_enough", "?2"), microseconds, as_of - microseconds)
        )
        if rows:
            curve.append((float(days), int(known or 0) / int(rows), int(rows)))
    return Delay(quantiles=quantiles, curve=curve)
