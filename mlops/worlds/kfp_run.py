"""Says what a cluster did in the words of the runner, so that a run there leaves the same report, summary and lineage as one here."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from graphlib import TopologicalSorter
from pathlib import Path

from core import durable, objects
from core.decision import Decision
from core.digest import of_bytes
from localrun.records import Artifact, State, TaskRun, Values
from localrun.spec.commands import function_name
from localrun.spec.pipeline import Container, Dag, Pipeline
from mlops.worlds.kfp_metadata import Execution

KEPT = ("decision", "pictures", "pushed")
"""Small outputs that are brought here, because the report and the command line show them."""
_VERSION = "0.0.1"
"""Of every artifact type that kfp's compiler writes for a Python component."""


def planned(pipeline: Pipeline) -> tuple[TaskRun, ...]:
    """Return every task that a pipeline may come to, in its order, none of them begun."""

    def tasks(dag: Dag, prefix: str) -> Iterator[TaskRun]:
        order = TopologicalSorter({name: task.upstream for name, task in dag.tasks.items()}).static_order()
        for name in order:
            component = pipeline.components[dag.tasks[name].component]
            inside = component.implementation
            if isinstance(inside, Dag):
                yield from tasks(inside, f"{prefix}{name}/")
            elif isinstance(inside, Container):
                yield TaskRun(f"{prefix}{name}", name, component.name, function_name(inside), inside.image)

    root = pipeline.root.implementation
    assert isinstance(root, Dag)
    return tuple(tasks(root, ""))


def observed(tasks: Iterable[TaskRun], executions: Mapping[str, Execution]) -> tuple[TaskRun, ...]:
    """Bring tasks up to date with what the cluster records of them."""
    return tuple(_observed(task, executions[task.name]) if task.name in executions else task for task in tasks)


def settled(tasks: Iterable[TaskRun], run: State) -> tuple[TaskRun, ...]:
    """Say of each task that never began, or never ended, what the end of the run makes of it."""
    never = {State.SUCCEEDED: State.SKIPPED, State.CANCELLED: State.CANCELLED}.get(run, State.UPSTREAM_FAILED)
    broken = State.CANCELLED if run is State.CANCELLED else State.FAILED
    return tuple(
        replace(task, state=never if task.state is State.PENDING else broken) if not _ended(task) else task
        for task in tasks
    )


def collected(task: TaskRun, execution: Execution, folder: Path) -> TaskRun:
    """Bring the small outputs of a finished task here, and note where the others lie."""
    artifacts = {
        name: _artifact(name, made, execution.id, folder / "outputs" / task.name)
        for name, made in execution.outputs.items()
    }
    return replace(task, outputs=Values(artifacts=artifacts))


def failed(task: TaskRun, log: str, folder: Path) -> TaskRun:
    """Keep the log of a failed task, and the decision that it holds where the task is a gate that stopped the run."""
    kept = folder / "logs" / f"{task.name}.log"
    kept.parent.mkdir(parents=True, exist_ok=True)
    durable.replace(kept, log.encode())
    outputs = None
    decision = Decision.in_log(log)
    if decision is not None:
        outputs = folder / "outputs" / task.name
        outputs.mkdir(parents=True, exist_ok=True)
        durable.replace(outputs / "decision", decision.model_dump_json().encode())
    said = "\n".join(log.splitlines()[-40:]) or "no pod left a log"
    return replace(
        task, error=f"failed in the cluster; last lines of {kept}:\n{said}", log=kept, failed_outputs=outputs
    )


def _observed(task: TaskRun, execution: Execution) -> TaskRun:
    ended = execution.state in (State.SUCCEEDED, State.FAILED, State.CANCELLED)
    return replace(
        task,
        state=execution.state,
        cached=execution.cached,
        execution=execution.id,
        started=execution.started,
        finished=execution.changed if ended else None,
        seconds=(execution.changed - execution.started).total_seconds() if ended and not execution.cached else 0.0,
    )


def _ended(task: TaskRun) -> bool:
    return task.state not in (State.PENDING, State.RUNNING)


def _artifact(name: str, made: tuple[str, str], producer: str, folder: Path) -> Artifact:
    """An output where it lies, or the copy of a small one below `folder`."""
    kind, uri = made
    if name not in KEPT:
        return Artifact(name, kind, _VERSION, uri, "", producer=producer)
    content = objects.read(_address(uri))
    folder.mkdir(parents=True, exist_ok=True)
    durable.replace(folder / name, content)
    return Artifact(name, kind, _VERSION, str(folder / name), of_bytes(content), producer=producer)


def _address(uri: str) -> str:
    """Kubeflow Pipelines writes `minio://` for its own object store, which is S3's interface under another name."""
    return f"s3://{uri.removeprefix('minio://')}" if uri.startswith("minio://") else uri
