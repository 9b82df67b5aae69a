"""The laptop's warm workers that outlive a run: whether they do, where they are found, and how they are stopped."""

from collections.abc import Mapping

import localrun
from core.errors import UsageError
from core.store import Store
from localrun.hosts.lasting import LastingProcess, processes, stop

VARIABLE = "MLOPS_WARM"
MINUTES = 15.0
"""How long they wait for the next run."""
FOLDER = "warm"
"""In a store, with their sockets."""
Worker = LastingProcess


def lasting(store: Store, environment: Mapping[str, str]) -> localrun.Lasting | None:
    """Read MLOPS_WARM: `off`, `on`, or the minutes that workers wait; None where a run ends its workers, as in CI.

    UsageError for any other value.
    """
    value = environment.get(VARIABLE, "").strip().lower()
    if value == "off" or (not value and environment.get("CI", "").lower() not in ("", "0", "false")):
        return None
    try:
        minutes = MINUTES if value in ("", "on") else float(value)
    except ValueError:
        minutes = 0.0
    if not 0 < minutes < 10_000:
        raise UsageError(f"{VARIABLE}: wanted off, on, or a number of minutes such as 30, got {value!r}")
    return localrun.Lasting(store.root / FOLDER, idle=minutes * 60)


def waiting(store: Store) -> list[Worker]:
    """List the workers that live, the one that was used last first."""
    return processes(store.root / FOLDER)


def end(store: Store, seconds: float = 10.0) -> list[Worker]:
    """Have all workers leave; return those that serve a run, and leave when it ends."""
    return stop(store.root / FOLDER, seconds)
