"""What a runner does when it dies, when the same is asked again, and when a cached file was changed."""

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from conformance_components import component
from kfp import dsl
from kfp.dsl import Dataset, Input, Output

Run = Callable[[Path, str], dict[str, Any]]
"""Runs `pipeline` in a folder, with a text for `asked`, or goes on with it; returns the pipeline's outputs."""
_SECONDS = 240
DIES, AGAIN, EQUAL, SPOILT = (
    "a task whose runner is killed",
    "what had finished before the kill",
    "an equal run",
    "a cached file that was changed",
)


@component
def first(folder: str, data: Output[Dataset]):
    with open(f"{folder}/counter", "a") as stream:
        stream.write("x")
    with open(data.path, "w") as stream:
        stream.write("made")


@component
def second(folder: str, asked: str, data: Input[Dataset]) -> str:
    import os
    import time

    with open(f"{folder}/began", "w") as stream:
        stream.write(str(os.getpid()))
    while os.path.exists(f"{folder}/hold"):
        time.sleep(0.05)
    with open(data.path) as stream:
        return stream.read()


@dsl.pipeline
def pipeline(folder: str, asked: str) -> str:
    return second(folder=folder, asked=asked, data=first(folder=folder).outputs["data"]).output


def probed(run: Run, folder: Path) -> dict[str, str]:
    """Return what was seen, by what was tried."""
    folder.mkdir(parents=True)
    (folder / "hold").touch()
    process = _started(run, folder, "a question")
    pid = _pid(folder / "began")
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    deadline = time.monotonic() + 2
    while _lives(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    seen = {DIES: "is left running" if _lives(pid) else "ends with it"}
    (folder / "hold").unlink()
    _outputs(run, folder)
    count = _count(folder)
    seen[AGAIN] = "is kept" if count == 1 else "runs again"
    _outputs(run, folder)
    caches = _count(folder) == count
    seen[EQUAL] = "uses the results" if caches else "runs everything"
    seen[SPOILT] = _spoilt(run, folder) if caches else "no cache"
    return seen


def _spoilt(run: Run, folder: Path) -> str:
    """Change the file that the first task made, and let a second task that is not cached read it."""
    for path in (folder / "store").rglob("*"):
        if path.is_file() and path.read_bytes() == b"made":
            path.write_text("changed")
    return "is made again" if _outputs(run, folder, "another question") == {"Output": "made"} else "is handed on"


def _started(run: Run, folder: Path, asked: str) -> Any:
    process = multiprocessing.get_context("fork").Process(target=_write, args=(run, folder, asked))
    process.start()
    return process


def _write(run: Run, folder: Path, asked: str) -> None:
    (folder / "outputs.json").write_text(json.dumps(run(folder, asked)))


def _outputs(run: Run, folder: Path, asked: str = "a question") -> Any:
    (folder / "outputs.json").unlink(missing_ok=True)
    process = _started(run, folder, asked)
    process.join(_SECONDS)
    process.kill()
    file = folder / "outputs.json"
    return json.loads(file.read_text()) if file.exists() else None


def _pid(file: Path) -> int:
    until = time.monotonic() + _SECONDS
    while not (file.exists() and file.read_text()):
        assert time.monotonic() < until, "the second task never began"
        time.sleep(0.05)
    return int(file.read_text())


def _lives(pid: int) -> bool:
    """Whether a process runs; one that waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _count(folder: Path) -> int:
    return len((folder / "counter").read_text())
