"""Translates what a cluster did into the product's record, so that a run leaves the same report anywhere."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter
from pathlib import Path

from core import durable, objects
from core.decision import Decision
from core.digest import of_bytes
from localrun.spec.commands import function_name
from localrun.spec.pipeline import Container, Dag, Pipeline
from mlops.runs.record import Artifact, State, Task
from mlops.worlds.kfp_metadata import Execution

KEPT = ("decision", "pictures", "pushed")
"""Small outputs that are copied to this machine, because the report and the command line show them."""
ANY = "[*]"
"""Stands in a path for the iterations of a loop that has not begun."""


@dataclass(frozen=True)
class Observed:
    """What is known of a run's tasks."""

    tasks: tuple[Task, ...]
    executions: Mapping[str, Execution]
    """Path of a task -> its last execution."""


def planned(pipeline: Pipeline) -> tuple[Task, ...]:
    """Return every task that a pipeline may come to, in its order; those of loops once, at `for-loop-1[*]/...`."""

    def tasks(dag: Dag, prefix: str) -> Iterator[Task]:
        order = TopologicalSorter({name: task.upstream for name, task in dag.tasks.items()}).static_order()
        for name in order:
            task = dag.tasks[name]
            inside = pipeline.components[task.component].implementation
            path = f"{prefix}{name}{ANY if task.loop is not None else ''}"
            if isinstance(inside, Dag):
                yield from tasks(inside, f"{path}/")
            elif isinstance(inside, Container):
                yield Task(path, function_name(inside))

    root = pipeline.root.implementation
    assert isinstance(root, Dag)
    return tuple(tasks(root, ""))


def observed(plan: Iterable[Task], executions: Iterable[Execution]) -> Observed:
    """Bring the planned tasks up to date with what the cluster records, oldest first; a loop's once per iteration."""
    tasks = {task.path: task for task in plan}
    placed: dict[str, dict[str, Execution]] = {path: {} for path in tasks}
    for execution in executions:
        path = _planned_path(execution, tasks)
        if path is not None:
            placed[path][_with_iterations(path, execution.iterations)] = execution
    found: list[Task] = []
    for planned_path, task in tasks.items():
        iterations = sorted(placed[planned_path].items(), key=lambda item: item[1].iterations)
        found += [_observed(replace(task, path=path), execution) for path, execution in iterations] or [task]
    return Observed(tuple(found), {path: one for many in placed.values() for path, one in many.items()})


def settled(tasks: Iterable[Task], run: State) -> tuple[Task, ...]:
    """Give each task that never began, or never ended, the state that the end of the run makes of it."""
    never = {State.SUCCEEDED: State.SKIPPED, State.CANCELLED: State.CANCELLED}.get(run, State.UPSTREAM_FAILED)
    broken = State.CANCELLED if run is State.CANCELLED else State.FAILED
    return tuple(
        task if task.state.is_final else replace(task, state=never if task.state is State.PENDING else broken)
        for task in tasks
    )


def collected(task: Task, execution: Execution, folder: Path) -> Task:
    """Copy the small outputs of a finished task here, and note where the others lie."""
    kept = folder / "outputs" / _file_name(task)
    artifacts = {name: _artifact(name, made, kept) for name, made in execution.outputs.items()}
    return replace(task, outputs=artifacts)


def failed(task: Task, log: str, folder: Path) -> Task:
    """Keep the log of a failed task, and the decision in it where the task is a gate that stopped the run."""
    kept = folder / "logs" / f"{_file_name(task)}.log"
    kept.parent.mkdir(parents=True, exist_ok=True)
    durable.replace(kept, log.encode())
    outputs = None
    decision = Decision.in_log(log)
    if decision is not None:
        outputs = folder / "outputs" / _file_name(task)
        outputs.mkdir(parents=True, exist_ok=True)
        durable.replace(outputs / "decision", decision.model_dump_json().encode())
    end = "\n".join(log.splitlines()[-40:]) or "no pod left a log"
    return replace(task, error=f"failed in the cluster; last lines of {kept}:\n{end}", log=kept, failed_outputs=outputs)


def _planned_path(execution: Execution, tasks: Mapping[str, Task]) -> str | None:
    """Find the planned task of an execution.

    kfp's compiler gives a task a name that is its own in the whole pipeline, save in nested pipelines; the cluster may
    name a group by its display name. So the name decides, and the groups only between tasks of the same name.
    """
    candidates = [path for path, task in tasks.items() if task.name == execution.task]

    def shared(path: str) -> int:
        groups = [part.removesuffix(ANY) for part in path.split("/")[:-1]]
        return sum(ours == theirs for ours, theirs in zip(groups, execution.groups, strict=False))

    return max(candidates, key=shared, default=None)


def _with_iterations(path: str, iterations: tuple[int, ...]) -> str:
    for number in iterations:
        path = path.replace(ANY, f"[{number}]", 1)
    return path


def _observed(task: Task, execution: Execution) -> Task:
    seconds = (execution.changed - execution.started).total_seconds()
    return replace(
        task,
        state=execution.state,
        cached=execution.cached,
        execution=execution.id,
        started=execution.started,
        seconds=seconds if execution.state.is_final and not execution.cached else 0.0,
    )


def _file_name(task: Task) -> str:
    return task.path.replace("/", ".")


def _artifact(name: str, made: tuple[str, str], folder: Path) -> Artifact:
    """An output where it lies, or the copy of a small one below `folder`."""
    kind, uri = made
    if name not in KEPT:
        return Artifact(kind, uri)
    content = objects.read(_address(uri))
    folder.mkdir(parents=True, exist_ok=True)
    durable.replace(folder / name, content)
    return Artifact(kind, str(folder / name), of_bytes(content))


def _address(uri: str) -> str:
    """Kubeflow Pipelines writes `minio://` for its own object store, which is S3's interface under another name."""
    return f"s3://{uri.removeprefix('minio://')}" if uri.startswith("minio://") else uri
