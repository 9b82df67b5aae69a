"""Translates what the runner saw into the facts that lineage keeps."""

import json
from pathlib import Path

import localrun
from core import digest
from core.backends.metadata import ArtifactFacts, RunFacts, TaskFacts, release

PUSHED = "pushed"
"""An output of this name says what was published."""


def facts_of(run: localrun.Run, code: str) -> RunFacts:
    """Describe a finished run, given the digest of the code that its steps ran; tasks that never started have nothing to trace."""
    digests = {"steps": code, "pipeline": digest.of_file(run.folder / "pipeline.yaml")}
    tasks = tuple(_task(task) for task in run.tasks if task.state in ("SUCCEEDED", "FAILED"))
    return RunFacts(run.run_id, run.pipeline, str(run.state), run.started, dict(run.parameters), digests, tasks)


def _task(task: localrun.TaskRun) -> TaskFacts:
    outputs = _artifacts(task.outputs)
    if PUSHED in outputs and task.state == "SUCCEEDED":
        outputs |= published(Path(outputs[PUSHED].uri))
    return TaskFacts(
        name=task.path,
        component=task.function or task.component,
        state=str(task.state),
        cached=task.cached,
        execution=task.execution,
        started=task.started,
        seconds=task.seconds,
        parameters=dict(task.inputs.parameters),
        inputs=_artifacts(task.inputs),
        outputs=outputs,
    )


def published(path: Path) -> dict[str, ArtifactFacts]:
    """Describe the version that a `pushed` file names, as one more output; none where it says null."""
    content = json.loads(path.read_text(encoding="utf-8"))
    if content is None:
        return {}
    return {"version": release(content["name"], int(content["version"]), content["digest"], content["path"])}


def _artifacts(values: localrun.Values) -> dict[str, ArtifactFacts]:
    return {
        name: ArtifactFacts(one.type, one.uri, one.digest, dict(one.metadata)) for name, one in values.artifacts.items()
    }
