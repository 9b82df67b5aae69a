"""Shows a run while it goes: a live table on a terminal, plain lines elsewhere, nothing with `quiet`."""

import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TextIO

from localrun.events import Event, HostReady, HostStarting, Noted, RunFinished, RunStarted, TaskChanged, TaskRetrying
from localrun.records import Run, State, TaskRun
from localrun.store.codec import Codec

if TYPE_CHECKING:
    from rich.table import Table

_STYLES = {
    State.PENDING: "dim",
    State.RUNNING: "bold cyan",
    State.SUCCEEDED: "green",
    State.FAILED: "bold red",
    State.SKIPPED: "dim",
    State.UPSTREAM_FAILED: "red",
    State.CANCELLED: "yellow",
}
_ROWS_BESIDE = 6
"""Lines of a terminal that are not rows of the table."""


@contextmanager
def shown(
    *, quiet: bool = False, as_json: bool = False, stream: TextIO | None = None
) -> Iterator[Callable[[Event], None]]:
    """Yield the `on_event` of a run's options; it writes to `stream` (standard error), and goes on when that breaks.

    With `as_json` it writes one JSON object per line to standard output.
    """
    stream = stream or (sys.stdout if as_json else sys.stderr)
    if quiet:
        yield lambda _: None
    elif as_json:
        yield _Lines(stream, _as_json).on_event
    elif stream.isatty():
        with _Live(stream) as live:
            yield live.on_event
    else:
        yield _Lines(stream, _lines).on_event


def describe(task: TaskRun) -> str:
    """One line about a task that has a new state."""
    facts = [str(task.state)]
    if task.cached:
        facts.append("from the cache")
    if task.state in {State.SUCCEEDED, State.FAILED} and not task.cached:
        facts.append(f"{task.seconds:.1f} s")
    if task.max_rss_bytes:
        facts.append(memory(task.max_rss_bytes))
    if task.attempts > 1:
        facts.append(f"attempt {task.attempts}")
    return f"{task.path}: {', '.join(facts)}"


def memory(size: int) -> str:
    """Write a number of bytes for a person."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"


class _Lines:
    """One line per event, for logs and pipes."""

    def __init__(self, stream: TextIO, lines: Callable[[Event], list[str]]) -> None:
        self.stream = stream
        self.lines = lines

    def on_event(self, event: Event) -> None:
        for line in self.lines(event):
            with suppress(OSError, ValueError):  # a closed pipe is no reason to fail a run
                print(line, file=self.stream, flush=True)


def _lines(event: Event) -> list[str]:
    lines: list[str] = []
    match event:
        case RunStarted():
            lines = [f"run {event.run_id}: {len(event.tasks)} tasks, {event.folder}"]
        case HostStarting():
            lines = [f"environment {event.image}: importing"]
        case HostReady():
            since = f"after {event.seconds:.1f} s" if event.seconds else "since an earlier run"
            lines = [f"environment {event.image}: ready {since}"]
        case TaskRetrying():
            lines = [f"{event.task.path}: again in {event.delay:g} s"]
        case TaskChanged(task) if task.error or task.state is not State.PENDING:
            lines = [describe(task), *task.error.splitlines()]
        case Noted(text):
            lines = [text]
        case RunFinished(run):
            lines = _end(run)
    return lines


def _end(run: Run) -> list[str]:
    error = f": {run.error}" if run.error else ""
    first = [f"first error: {run.first_error.splitlines()[0]}"] if run.first_error not in ("", run.error) else []
    return [*output_lines(run), *first, f"run {run.run_id}: {run.state} in {run.seconds:.1f} s{error}"]


def output_lines(run: Run) -> list[str]:
    """Return a line per output of the pipeline; artifacts as the place where they are."""
    lines = [
        f"output {name} = {json.dumps(value, ensure_ascii=False)}" for name, value in run.outputs.parameters.items()
    ]
    return lines + [f"output {name}: {artifact.uri}" for name, artifact in run.outputs.every_artifact().items()]


def _as_json(event: Event) -> list[str]:
    codec = Codec(Path("/"))
    facts: dict[str, Any] = {}
    match event:
        case RunStarted():
            facts = {
                "run": event.run_id,
                "pipeline": event.pipeline,
                "folder": str(event.folder),
                "tasks": [task.path for task in event.tasks],
            }
        case HostStarting() | HostReady():
            facts = dict(event.__dict__)
        case TaskChanged(task):
            facts = {"task": codec.task(task)}
        case TaskRetrying(task, delay):
            facts = {"task": codec.task(task), "delay": delay}
        case Noted():
            facts = dict(event.__dict__)
        case RunFinished(run):
            facts = {"run": codec.run(run)}
    name = re.sub(r"(?<=.)([A-Z])", r"_\1", type(event).__name__).lower()
    return [json.dumps({"event": name, "time": datetime.now(UTC).isoformat(timespec="milliseconds"), **facts})]


class _Live:
    """A table that is redrawn in place; rich is imported only here."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console  # noqa: PLC0415 - costs a tenth of a second, and only a terminal needs it
        from rich.live import Live  # noqa: PLC0415

        self.tasks: dict[str, TaskRun] = {}
        self.began: dict[str, float] = {}
        self.importing: dict[str, float] = {}
        self.ended: Run | None = None
        self.title = ""
        self.console = Console(file=stream)
        self.live = Live(get_renderable=self.table, console=self.console, refresh_per_second=4)

    def __enter__(self) -> Self:
        self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.live.stop()
        self._end()

    def on_event(self, event: Event) -> None:
        match event:
            case RunStarted():
                self.title = event.run_id
                self.tasks = {task.path: task for task in event.tasks}
            case HostStarting():
                self.importing[event.image] = time.monotonic()
            case HostReady():
                self.importing.pop(event.image, None)
            case TaskChanged(task):
                self.began.setdefault(f"{task.path} {task.attempts}", time.monotonic())
                self.tasks = {**self.tasks, task.path: task}  # the drawing thread reads the old one meanwhile
                if task.error and task.state in {State.FAILED, State.PENDING}:
                    self.console.print(f"{task.path}: {task.error}", style="red", markup=False, highlight=False)
            case TaskRetrying() | Noted():
                self.console.print(*_lines(event), style="yellow", markup=False, highlight=False)
            case RunFinished(run):
                self.importing.clear()
                self.ended = run
                self.title = f"{run.run_id}: {run.state} in {run.seconds:.1f} s"

    def table(self) -> "Table":
        from rich.table import Table  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        done = sum(task.state not in {State.PENDING, State.RUNNING} for task in self.tasks.values())
        table = Table(
            "task",
            "state",
            "seconds",
            "memory",
            title=f"{self.title}  {done}/{len(self.tasks)}",
            box=None,
            title_justify="left",
        )
        for column in table.columns[2:]:
            column.justify = "right"
        for task in self._visible():
            table.add_row(
                Text(task.path),
                Text(_state(task), style=_STYLES.get(task.state, "")),
                self._seconds(task),
                _memory(task),
            )
        for image, since in list(self.importing.items()):
            table.add_row(
                Text(f"(environment {image})", style="dim"),
                Text("importing", style="dim"),
                f"{time.monotonic() - since:.0f}",
                "",
            )
        return table

    def _end(self) -> None:
        """What remains on the terminal below the table: what the run was for, or what stopped it."""
        for line in [] if self.ended is None else _end(self.ended)[:-1]:
            style = "bold red" if line.startswith("first error") else ""
            self.console.print(line, style=style, markup=False, highlight=False)

    def _visible(self) -> list[TaskRun]:
        """All tasks, or those around what is running when the terminal is too small."""
        tasks = list(self.tasks.values())
        room = max(5, self.console.height - _ROWS_BESIDE)
        if len(tasks) <= room:
            return tasks
        ended = [task for task in tasks if task.state not in {State.PENDING, State.RUNNING, State.FAILED}]
        others = [task for task in tasks if task not in ended]
        return [*ended[-max(1, room // 3) :], *others][:room]

    def _seconds(self, task: TaskRun) -> str:
        if task.state is State.RUNNING:
            return f"{time.monotonic() - self.began.get(f'{task.path} {task.attempts}', time.monotonic()):.0f}"
        return f"{task.seconds:.1f}" if task.seconds else ""


def _state(task: TaskRun) -> str:
    return f"{task.state} (cached)" if task.cached else str(task.state)


def _memory(task: TaskRun) -> str:
    return memory(task.max_rss_bytes) if task.max_rss_bytes else ""
