"""`localrun list` and `localrun show`: what the store knows of runs."""

import argparse
import json
from pathlib import Path

from localrun.display.progress import describe, output_lines
from localrun.errors import ParameterError
from localrun.execution.history import runs, show
from localrun.records import Run
from localrun.store.codec import Codec
from localrun.store.layout import STORE


def list_runs(argv: list[str]) -> int:
    """Print the runs of a store, the newest first."""
    parser = argparse.ArgumentParser(prog="localrun list", description="List the runs of a store, the newest first.")
    _add_store(parser)
    arguments = parser.parse_args(argv)
    known = runs(arguments.store)
    if arguments.json:
        print(json.dumps([{**run.__dict__, "started": run.started.isoformat()} for run in known], indent=2))
        return 0
    wide = max((len(run.run_id) for run in known), default=0)
    for run in known:
        print(f"{run.run_id:{wide}}  {run.state:11}  {run.seconds:8.1f} s  {run.started:%Y-%m-%d %H:%M:%S}")
    if not known:
        print(f"{arguments.store}: no run has been started here")
    return 0


def show_run(argv: list[str]) -> int:
    """Print one run, or the log of one of its tasks."""
    parser = argparse.ArgumentParser(prog="localrun show", description="Show a run with its tasks and outputs.")
    parser.add_argument("run", help="its id, as `localrun list` prints it")
    parser.add_argument("--log", metavar="TASK", help="print the log of a task, by its path or short name")
    _add_store(parser)
    arguments = parser.parse_args(argv)
    run = show(arguments.store, arguments.run)
    if arguments.log:
        print(_log(run, arguments.log), end="")
    elif arguments.json:
        print(json.dumps(Codec(Path("/")).run(run), indent=2))
    else:
        print("\n".join(_lines(run)))
    return 0


def _add_store(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--store", type=Path, default=STORE, help="default: %(default)s")
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")


def _log(run: Run, name: str) -> str:
    try:
        return run.task(name).log_text
    except KeyError as error:
        raise ParameterError(f"--log {error.args[0]}") from error


def _lines(run: Run) -> list[str]:
    lines = [f"run {run.run_id}: {run.state} in {run.seconds:.1f} s, started {run.started:%Y-%m-%d %H:%M:%S} UTC"]
    lines += [f"first error: {run.first_error.splitlines()[0]}"] if run.first_error else []
    lines += [f"  {name} = {json.dumps(value, ensure_ascii=False)}" for name, value in run.parameters.items()]
    lines += ["", *(describe(task) for task in run.tasks), "", *output_lines(run)]
    return [*lines, f"page: {run.folder / 'run.html'}"]
