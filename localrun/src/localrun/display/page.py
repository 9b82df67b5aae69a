"""The page of a run: everything the journal knows about it, in one HTML file that needs nothing else."""

import json
import os
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import TypeVar

from localrun.display.picture import graph, status
from localrun.display.progress import memory
from localrun.display.timeline import timeline
from localrun.markup import code, coloured, link, table
from localrun.records import Artifact, Run, State, TaskRun, Values
from localrun.spec.pipeline import Pipeline
from localrun.store.digests import ABSENT
from localrun.store.layout import write_atomically

_SHOWN = 50
"""Rows of a list that are open; the others are folded."""
_NO_SCRIPTS = (
    "<meta http-equiv='Content-Security-Policy' "
    "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">"
)
"""Asks the browser to run no script, also if a text were not escaped."""
_STYLE = """
body { font: 14px/1.5 system-ui, sans-serif; color: #1d1d1f; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; } th { text-align: left; font-weight: 600; }
th, td { border-bottom: 1px solid #ddd; padding: .35rem .8rem .35rem 0; vertical-align: top; overflow-wrap: anywhere; }
pre { background: #f5f5f5; overflow-x: auto; padding: .8rem; white-space: pre-wrap; }
.first { border-left: 4px solid #b3261e; padding-left: 1rem; } .first h2 { margin-top: 1rem; }
.picture { overflow-x: auto; } .muted { color: #666; } code { font-size: .9em; }
summary { cursor: pointer; padding: .5rem 0; color: #0b5cad; }
"""
_T = TypeVar("_T")


def write_pages(pipeline: Pipeline, run: Run) -> None:
    """Write `graph.svg` and `run.html` into the run's folder."""
    picture = graph(pipeline, run)
    write_atomically(run.folder / "graph.svg", picture, durably=False)
    write_atomically(run.folder / "run.html", page(run, picture), durably=False)


def page(run: Run, picture: str) -> str:
    """Return the page; everything that came from outside is escaped."""
    others = [task for task in run.tasks if task.error and task != run.first_failed]
    parts = [
        f"<h1>{escape(run.run_id)}: {coloured(run.state, run.state)}</h1>",
        f"<p>{escape(run.pipeline)}, started {run.started:%Y-%m-%d %H:%M:%S} UTC, {run.seconds:.1f} s.</p>",
        f"<pre>{escape(run.error)}</pre>" if run.error else "",
        _first_error(run),
        _outputs(run, "Outputs of the pipeline", run.outputs),
        "<h2>Parameters</h2>" if run.parameters else "",
        _rows(("name", "value"), list(run.parameters.items()), lambda one: (escape(one[0]), code(one[1]))),
        f"<h2>Graph</h2><div class='picture'>{picture}</div>",
        f"<h2>Timeline</h2><div class='picture'>{timeline(run)}</div>",
        "<h2>Tasks</h2>",
        _rows(
            ("task", "state", "seconds", "memory", "attempts", "log"),
            sorted(run.tasks, key=lambda task: task.state is not State.FAILED),
            lambda task: _row(run, task),
        ),
        _folded([_failure(task) for task in others], "errors"),
        "<h2>Outputs of tasks</h2>",
        _folded([text for task in run.tasks if (text := _outputs(run, task.path, task.outputs))], "tasks with outputs"),
    ]
    head = (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'>{_NO_SCRIPTS}"
        f"<title>{escape(run.run_id)}</title><style>{_STYLE}</style></head>"
    )
    return "\n".join([head, "<body>", *(part for part in parts if part), "</body></html>\n"])


def _first_error(run: Run) -> str:
    first = run.first_failed
    if first is None:
        return ""
    log = f"<p>{_link(run, first.log, 'the whole log')}</p>" if first.log else ""
    title = f"<h2>First error: {escape(first.path)}</h2>"
    return f"<div class='first'>{title}<pre>{escape(first.error)}</pre>{log}</div>"


def _row(run: Run, task: TaskRun) -> tuple[str, ...]:
    log = _link(run, task.log, "log") if task.log else ""
    peak = memory(task.max_rss_bytes) if task.max_rss_bytes else ""
    seconds = f"{task.seconds:.1f}" if task.seconds else ""
    return escape(task.path), coloured(task.state, status(task)), seconds, peak, str(task.attempts or ""), log


def _failure(task: TaskRun) -> str:
    return f"<h2>{escape(task.path)}</h2><pre>{escape(task.error)}</pre>"


def _outputs(run: Run, title: str, outputs: Values) -> str:
    rows = [(escape(name), code(value), "") for name, value in outputs.parameters.items()]
    rows += [
        (escape(name), _artifact(run, artifact), f"<code>{escape(artifact.digest[:19])}</code>")
        for name, artifact in outputs.every_artifact().items()
    ]
    return f"<h3>{escape(title)}</h3>{table(('name', 'value', 'digest'), rows)}" if rows else ""


def _artifact(run: Run, artifact: Artifact) -> str:
    is_here = "://" not in artifact.uri and artifact.digest != ABSENT
    place = escape(artifact.uri) if not is_here else _link(run, artifact.path, artifact.uri)
    about = escape(json.dumps(artifact.metadata, default=str)) if artifact.metadata else ""
    return f"{place}<br><span class='muted'>{escape(artifact.type)} {about}</span>"


def _link(run: Run, target: Path, text: str) -> str:
    return link(os.path.relpath(target, run.folder), text)


def _rows(heads: Sequence[str], things: Sequence[_T], row: Callable[[_T], tuple[str, ...]]) -> str:
    """Return a table whose first rows are open and whose others are folded."""
    if not things:
        return ""
    shown = table(heads, map(row, things[:_SHOWN]))
    return shown + _details([table(heads, map(row, things[_SHOWN:]))], len(things) - _SHOWN, "")


def _folded(parts: Sequence[str], name: str) -> str:
    return "\n".join(parts[:_SHOWN]) + _details(parts[_SHOWN:], len(parts) - _SHOWN, name)


def _details(parts: Sequence[str], count: int, name: str) -> str:
    inside = "\n".join(parts)
    return f"<details><summary>{count:,} more {name}</summary>{inside}</details>" if count > 0 else ""
