"""The page of a run: everything the journal knows about it, in one HTML file that needs nothing else."""

import json
import os
from html import escape
from pathlib import Path

from localrun.display.picture import graph, status, timeline
from localrun.display.progress import memory
from localrun.markup import code, coloured, link, table
from localrun.records import Artifact, Run, TaskRun, Values
from localrun.spec.pipeline import Pipeline
from localrun.store.digests import ABSENT
from localrun.store.layout import write_atomically

_STYLE = """
body { font: 14px/1.5 system-ui, sans-serif; color: #1d1d1f; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; } th { text-align: left; font-weight: 600; }
th, td { border-bottom: 1px solid #ddd; padding: .35rem .8rem .35rem 0; vertical-align: top; overflow-wrap: anywhere; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
pre { background: #f5f5f5; overflow-x: auto; padding: .8rem; white-space: pre-wrap; }
.picture { overflow-x: auto; } .muted { color: #666; } code { font-size: .9em; }
"""


def write_pages(pipeline: Pipeline, run: Run) -> None:
    """Write `graph.svg` and `run.html` into the run's folder."""
    picture = graph(pipeline, run)
    write_atomically(run.folder / "graph.svg", picture, durably=False)
    write_atomically(run.folder / "run.html", page(run, picture), durably=False)


def page(run: Run, picture: str) -> str:
    """Return the page; everything that came from outside is escaped."""
    parts = [
        f"<h1>{escape(run.run_id)}: {coloured(run.state, run.state)}</h1>",
        f"<p>{escape(run.pipeline)}, started {run.started:%Y-%m-%d %H:%M:%S} UTC, {run.seconds:.1f} s.</p>",
        f"<pre>{escape(run.error)}</pre>" if run.error else "",
        f"<h2>Graph</h2><div class='picture'>{picture}</div>",
        f"<h2>Timeline</h2><div class='picture'>{timeline(run)}</div>",
        "<h2>Tasks</h2>",
        table(("task", "state", "seconds", "memory", "attempts", "log"), (_row(run, task) for task in run.tasks)),
        *(_failure(task) for task in run.tasks if task.error),
        "<h2>Parameters</h2>",
        table(("name", "value"), ((escape(name), code(value)) for name, value in run.parameters.items())),
        "<h2>Outputs</h2>",
        *(_outputs(run, task.path, task.outputs) for task in run.tasks),
    ]
    head = (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        f"<title>{escape(run.run_id)}</title><style>{_STYLE}</style></head>"
    )
    return "\n".join([head, "<body>", *(part for part in parts if part), "</body></html>\n"])


def _row(run: Run, task: TaskRun) -> tuple[str, ...]:
    log = _link(run, task.log, "log") if task.log else ""
    peak = memory(task.max_rss_bytes) if task.max_rss_bytes else ""
    state = coloured(task.state, status(task))
    return escape(task.path), state, f"{task.seconds:.1f}" if task.seconds else "", peak, str(task.attempts or ""), log


def _failure(task: TaskRun) -> str:
    return f"<h2>{escape(task.path)}</h2><pre>{escape(task.error)}</pre>"


def _outputs(run: Run, path: str, outputs: Values) -> str:
    rows = [(escape(name), code(value), "") for name, value in outputs.parameters.items()]
    rows += [
        (escape(name), _artifact(run, artifact), f"<code>{escape(artifact.digest[:19])}</code>")
        for name, artifact in outputs.every_artifact().items()
    ]
    return f"<h3>{escape(path)}</h3>{table(('name', 'value', 'digest'), rows)}" if rows else ""


def _artifact(run: Run, artifact: Artifact) -> str:
    is_here = "://" not in artifact.uri and artifact.digest != ABSENT
    place = escape(artifact.uri) if not is_here else _link(run, artifact.path, artifact.uri)
    about = escape(json.dumps(artifact.metadata, default=str)) if artifact.metadata else ""
    return f"{place}<br><span class='muted'>{escape(artifact.type)} {about}</span>"


def _link(run: Run, target: Path, words: str) -> str:
    return link(os.path.relpath(target, run.folder), words)
