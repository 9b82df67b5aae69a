"""The commands of a page, run one block after another in one store, each compared with what the page shows."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from core.user_code import ROOT
from mlops.actions.learning.comparison import differences
from mlops.actions.learning.page import Block, Page, Step

_GRACE = 60
"""Seconds that what a block left running, such as a server, has to end."""
_COLUMNS = "160"
"""Width of the terminal that commands believe to have, so that tables are cut nowhere."""


@dataclass(frozen=True)
class Surroundings:
    """Where commands run."""

    home: Path
    """The store: MLOPS_HOME of every command."""
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    skip_long: bool = False


@dataclass(frozen=True)
class Ended:
    """What came out of a step."""

    step: Step
    seconds: float
    problems: tuple[str, ...]
    """Nothing when the commands ended as they should and printed what is shown."""
    skipped: bool = False


def walk(page: Page, surroundings: Surroundings, on_line: Callable[[str], None]) -> Iterator[Ended]:
    """Run the steps of a page, and stop after the first that has problems."""
    for step in page.steps:
        ended = run_step(page, step, surroundings, on_line)
        yield ended
        if ended.problems:
            return


def run_step(page: Page, step: Step, surroundings: Surroundings, on_line: Callable[[str], None]) -> Ended:
    """Run one block of a page in the project's root; `on_line` gets each line as it is printed."""
    if surroundings.skip_long and step.block.is_long:
        return Ended(step, 0.0, (), skipped=True)
    started = time.monotonic()
    surroundings.home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="learn-") as scratch:
        reached = Path(scratch) / ".reached-the-last-command"
        script = _script(step.block, reached)
        code, lines = _run(script, _environment(surroundings, scratch), on_line)
        last = reached.exists()
    where = f"{page.path.name}:{step.block.line}"
    problems = [f"{where}: {problem}" for problem in _ending(step.block, code, last=last)]
    if problems:
        problems[0] = "\n".join((problems[0], *(f"  {line}" for line in lines[-30:])))
    else:
        for shown in step.shown:
            found = differences(shown.code, "\n".join(lines), shown.tolerance)
            problems += [f"{page.path.name}:{shown.line}: {one}" for one in found]
    return Ended(step, time.monotonic() - started, tuple(problems))


def _ending(block: Block, code: int, *, last: bool) -> list[str]:
    if not last:
        return [f"a command before the last one ended with {code}"]
    if block.must_fail and code == 0:
        return ["the last command has to fail, and ended with 0"]
    if not block.must_fail and code != 0:
        return [f"the last command ended with {code}"]
    return []


def _script(block: Block, reached: Path) -> str:
    """Return a shell script that stops at the first failure, and leaves a file before its last command."""
    lines = [line for line in block.code.splitlines() if line.strip()]
    last = len(lines) - 1
    while last > 0 and lines[last - 1].endswith("\\"):
        last -= 1
    return "\n".join(("set -euo pipefail", *lines[:last], f": > '{reached}'", *lines[last:]))


def _environment(surroundings: Surroundings, scratch: str) -> dict[str, str]:
    """Return what commands see: this store, this installation, a folder for `mktemp`, and plain text as output."""
    own = {
        "MLOPS_HOME": str(surroundings.home),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{surroundings.environment.get('PATH', os.defpath)}",
        "TMPDIR": scratch,
        "COLUMNS": _COLUMNS,
        "NO_COLOR": "1",
        "PYTHONUNBUFFERED": "1",
    }
    return {**surroundings.environment, **own}


def _run(script: str, environment: Mapping[str, str], on_line: Callable[[str], None]) -> tuple[int, list[str]]:
    """Run a script in a session of its own, end what it leaves behind, and return its exit code and its lines."""
    process = subprocess.Popen(  # noqa: S603 - the commands of a page of this project
        ["/bin/bash", "-c", script],
        cwd=ROOT,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    lines: list[str] = []
    reader = threading.Thread(target=_read, args=(process.stdout, lines, on_line), daemon=True)
    reader.start()
    try:
        code = process.wait()
    finally:
        for kind in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, kind)
                reader.join(_GRACE)
    reader.join()
    return code, lines


def _read(stream: IO[str], lines: list[str], on_line: Callable[[str], None]) -> None:
    for line in stream:
        lines.append(line.rstrip("\n"))
        on_line(lines[-1])
