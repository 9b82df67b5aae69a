"""What a dead runner left behind: complete outputs are adopted, partial ones removed."""

import json
from dataclasses import replace

from localrun.records import State, TaskRun, Values
from localrun.store.digests import Digests, verify
from localrun.store.journal import Execution, Journal
from localrun.store.layout import MANIFEST, Layout, discard


def tidy(layout: Layout, journal: Journal, run_id: str) -> list[TaskRun]:
    """Make journal and folders of an interrupted run agree again; returns its tasks."""
    tasks = {task.path: task for task in journal.tasks(run_id)}
    for execution in journal.unfinished(run_id):
        outputs = _published(layout, journal, execution)
        discard(layout.staging(execution.pipeline, execution.execution))
        if outputs is None:
            discard(layout.final(execution.pipeline, execution.execution))
            journal.write_execution(replace(execution, key="", state=State.FAILED))
            continue
        journal.write_execution(replace(execution, state=State.SUCCEEDED, outputs=outputs))
        task = tasks[execution.path]
        if task.execution == execution.execution:
            tasks[execution.path] = replace(task, state=State.SUCCEEDED, outputs=outputs)
    return list(tasks.values())


def _published(layout: Layout, journal: Journal, execution: Execution) -> Values | None:
    """Return the outputs of an execution that died between publishing and journaling, if they are complete."""
    try:
        manifest = json.loads(
            (layout.final(execution.pipeline, execution.execution) / MANIFEST).read_text(encoding="utf-8")
        )
        outputs = journal.codec.read_values(manifest["outputs"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return None if verify(outputs.artifacts, Digests()) else outputs
