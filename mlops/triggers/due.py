"""When a fact's run may start: after the debounce time, and after the cool-down of its cause."""

from collections.abc import Sequence

from pipelines.triggers import Trigger

_LONGEST_DEBOUNCE = 10.0
"""A stream of facts that never pauses waits this many times the debounce time."""


def due_at(received: Sequence[float], trigger: Trigger, last_start: float | None) -> float:
    """Return when facts received at these times may start a run; all times in seconds since 1970.

    `last_start` is that of the last run of the same cause.
    """
    first, last = min(received), max(received)
    debounced = min(last + trigger.debounce_seconds, first + _LONGEST_DEBOUNCE * trigger.debounce_seconds)
    cooled = last_start + trigger.cool_down_seconds if last_start is not None else first
    return max(debounced, cooled)
