"""Translates a run's record into the facts that ML Metadata keeps."""

import json
from pathlib import Path

from core import digest
from core.backends.metadata import ArtifactFacts, RunFacts, TaskFacts, release
from mlops.runs.record import Artifact, Run, State, Task

PUSHED = "pushed"
"""Name of the output that describes a published version."""


def facts_of(run: Run) -> RunFacts:
    """Return the facts of a run that has ended, without the tasks that never ran."""
    digests = {"steps": run.submission.code, "pipeline": digest.of_file(run.folder / "pipeline.yaml")}
    tasks = tuple(_task(task) for task in run.tasks if task.state in (State.SUCCEEDED, State.FAILED))
    return RunFacts(run.run_id, run.pipeline, str(run.state), run.started, dict(run.parameters), digests, tasks)


def published(path: Path) -> dict[str, ArtifactFacts]:
    """Return the version that a `pushed` file describes, as an output named `version`; empty when the file is null."""
    content = json.loads(path.read_text(encoding="utf-8"))
    if content is None:
        return {}
    return {"version": release(content["name"], int(content["version"]), content["digest"], content["path"])}


def _task(task: Task) -> TaskFacts:
    outputs = {name: _artifact(artifact) for name, artifact in task.outputs.items()}
    if PUSHED in outputs and task.state is State.SUCCEEDED:
        outputs |= published(Path(outputs[PUSHED].uri))
    return TaskFacts(
        name=task.path,
        component=task.stage or task.name,
        state=str(task.state),
        cached=task.cached,
        execution=task.execution,
        started=task.started,
        seconds=task.seconds,
        parameters=dict(task.parameters),
        inputs={name: _artifact(artifact) for name, artifact in task.inputs.items()},
        outputs=outputs,
    )


def _artifact(artifact: Artifact) -> ArtifactFacts:
    return ArtifactFacts(artifact.type, artifact.uri, artifact.digest, dict(artifact.metadata))
