"""Runs a pipeline and kills itself at the n-th change of state on disk: `localrun_driver.py PIPELINE STORE PROJECT N`.

With N = 0 it lives, and prints how many such moments there are.
"""

import itertools
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import localrun
from localrun import Environment, Options
from localrun.store.journal import Journal

MOMENTS = itertools.count(1)


def moment(last: int) -> int:
    now = next(MOMENTS)
    if now == last:
        os.kill(os.getpid(), signal.SIGKILL)
    return now


def instrument(owner: Any, name: str, last: int) -> None:
    """Make the moments before and after a call two places to die at."""
    original: Callable[..., Any] = getattr(owner, name)

    def counted(*args: Any, **kwargs: Any) -> Any:
        moment(last)
        try:
            return original(*args, **kwargs)
        finally:
            moment(last)

    setattr(owner, name, counted)


def main() -> None:
    pipeline, store, project, last = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
    for owner, name in (
        (os, "fsync"),
        (Path, "rename"),
        (Path, "replace"),
        (Path, "mkdir"),
        (Path, "write_text"),
        (Journal, "flush"),
    ):
        instrument(owner, name, last)
    environment = Environment(cwd=project, sources={"*": ()})
    run = localrun.run(
        pipeline,
        {"folder": str(project)},
        store=store,
        environments={"alpine": environment},
        options=Options(grace=0.2),
    )
    print(next(MOMENTS) - 1)
    sys.exit(run.state != "SUCCEEDED")


if __name__ == "__main__":
    main()
