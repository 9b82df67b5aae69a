"""Finds the verb that was typed; without one, the arguments are of a run."""

import sys
from collections.abc import Callable

from localrun.errors import InvalidPipeline, LocalrunError, ParameterError, UnsupportedPipeline


def main(argv: list[str]) -> int:
    """Return 0 when done, 1 when a run failed or the store cannot be used, 2 for wrong arguments or files."""
    verb = _verb(argv[0] if argv else "")
    try:
        return verb(argv)
    except (InvalidPipeline, UnsupportedPipeline, ParameterError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except LocalrunError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _verb(first: str) -> Callable[[list[str]], int]:
    if first == "clean":
        from localrun.commands.clean import clean_up  # noqa: PLC0415 - only what was asked for

        return lambda argv: clean_up(argv[1:])
    if first in {"list", "show"}:
        from localrun.commands import history  # noqa: PLC0415

        verb = {"list": history.list_runs, "show": history.show_run}[first]
        return lambda argv: verb(argv[1:])
    from localrun.commands.run import run_pipeline  # noqa: PLC0415

    return run_pipeline
