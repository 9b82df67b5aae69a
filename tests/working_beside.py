"""A program that has work done in processes beside it; it prints what became of it, as JSON."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from adapters.beside import Beside, has_room


def _doubled(given: Callable[[], Any]) -> tuple[int, int]:
    return os.getpid(), 2 * given()


def _killed_elsewhere(parent: int, given: Callable[[], Any]) -> tuple[int, int]:
    value = given()
    if os.getpid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid(), value


def _fails(_: Callable[[], Any]) -> None:
    raise ValueError("wanted rows, got none")


def main() -> None:
    """Print: whether there was room, who did each work and what came out, and an error as it arrives."""
    said: dict[str, Any] = {"room": has_room(), "process": os.getpid()}
    parent = os.getpid()
    with Beside(_doubled) as doubled, Beside(lambda given: _killed_elsewhere(parent, given)) as killed:
        doubled.give(21)
        killed.give("x" * 10_000_000)  # more than a pipe holds
        said["doubled"] = doubled.result()
        process, value = killed.result()
        said["killed"] = process, len(value)
    with Beside(_doubled, forks=False) as here:
        here.give(4)
        said["here"] = here.result()
    with Beside(_fails) as failing:
        try:
            failing.result()
        except ValueError as error:
            said["error"] = str(error)
    with Beside(_doubled) as unfinished:
        said["unfinished"] = Path(f"/proc/{unfinished.pid}").exists()
    said["left"] = Path(f"/proc/{unfinished.pid}").exists()
    print(json.dumps(said))


if __name__ == "__main__":
    main()
