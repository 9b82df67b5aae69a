"""The sweeps by name, with their full and their sample size; a module is imported when its sweep is run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

TARGETS = ("push", "release", "triggers", "labels", "predictions", "runner")
KINDS = (
    "csv",
    "parquet",
    "tfrecord",
    "arrow",
    "schema",
    "statistics",
    "model",
    "sqlite",
    "triggers",
    "compiled",
    "export",
)


@dataclass(frozen=True)
class Entry:
    """One sweep."""

    module: str
    """Has a function `run` that takes a Sweep."""
    about: str
    count: int
    """Cases of a full run; 0: all that there are."""
    sample: int
    """Cases of a sample, as in the tests."""
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Flag -> arguments for argparse."""


SWEEPS: dict[str, Entry] = {
    "faults": Entry(
        "tests.sweeps.faults.sweep",
        "death, full disk and I/O error at every system call that changes state",
        0,
        12,
        {
            "--target": {"choices": TARGETS, "action": "append", "help": "what is disturbed; default: all of them"},
            "--fault": {"choices": ("KILL", "ENOSPC", "EIO"), "action": "append", "help": "default: all three"},
        },
    ),
    "crowd": Entry("tests.sweeps.crowd", "runs at once on one store, some of them killed", 50, 12),
    "cache": Entry("tests.sweeps.cache", "changes of what makes a result, and changes that do not", 5000, 300),
    "facts": Entry(
        "tests.sweeps.facts",
        "facts delivered twenty times each to handlers of which some are killed",
        500,
        40,
        {"--journal": {"default": "", "help": "address of a journal in an object store; default: a file"}},
    ),
    "swaps": Entry("tests.sweeps.swaps", "pushes, rollbacks and damaged pushes under load", 200, 10),
    "workers": Entry(
        "tests.sweeps.workers",
        "workers of the server killed under load",
        30,
        2,
        {"--every": {"type": float, "default": 10.0, "help": "seconds between two kills (default: 10)"}},
    ),
    "stops": Entry("tests.sweeps.stops", "servers that are told to end at any moment", 300, 10),
    "bodies": Entry(
        "tests.sweeps.hostile.bodies", "hostile bodies for the application in one process", 1_000_000, 2000
    ),
    "requests": Entry("tests.sweeps.hostile.requests", "hostile requests for a running server", 50_000, 300),
    "sockets": Entry("tests.sweeps.hostile.sockets", "clients that send one byte a second", 500, 30),
    "flips": Entry(
        "tests.sweeps.flips.sweep",
        "flipped bits and cut files of every kind",
        10_000,
        100,
        {
            "--kind": {"choices": KINDS, "action": "append", "help": "default: all of them, in turns"},
            "--export": {"default": "", "help": "folder of `mlops runs export`; default: one is trained"},
        },
    ),
}
