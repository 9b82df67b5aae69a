"""Translates the executions of a cluster into the product's record: a run has the same report in every world."""

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

KEPT = ("decision", "findings", "pictures", "pushed")
"""Small outputs that are copied to this machine, because the report and the command line show them."""
ANY = "[*]"
"""In a path: any iteration of a loop that has not started."""


@dataclass(frozen=True)
class Observed:
    """The tasks of a run as the cluster records them."""

    tasks: tuple[Task, ...]
    executions: Mapping[str, Execution]
    """Path of a task -> its last execution."""


def planned(pipeline: Pipeline) -> tuple[Task, ...]:
    """Return every task of a pipeline, in an order in which they can run; those of a loop at `for-loop-1[*]/...`."""

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
    """Update the planned tasks with their executions, which come in the order they started.

    A task in a loop becomes one task per iteration that has started.
    """
    planned_tasks = {task.path: task for task in plan}
    # Planned path -> path with iterations -> last execution.
    last: dict[str, dict[str, Execution]] = {path: {} for path in planned_tasks}
    for execution in executions:
        planned_path = _planned_path(execution, planned_tasks)
        if planned_path is not None:
            last[planned_path][_with_iterations(planned_path, execution.iterations)] = execution
    tasks: list[Task] = []
    by_path: dict[str, Execution] = {}
    for planned_path, task in planned_tasks.items():
        if not last[planned_path]:
            tasks.append(task)
        for path, execution in sorted(last[planned_path].items(), key=lambda item: item[1].iterations):
            tasks.append(_updated(replace(task, path=path), execution))
            by_path[path] = execution
    return Observed(tuple(tasks), by_path)


def settled(tasks: Iterable[Task], run: State) -> tuple[Task, ...]:
    """Give each task of a run that has ended a final state, where the cluster recorded none; `run` is the run's state.

    A task that never started was skipped, cancelled or failed upstream, as the run ended; one that started and has no
    end was cancelled with the run, or failed.
    """
    never_started = {State.SUCCEEDED: State.SKIPPED, State.CANCELLED: State.CANCELLED}.get(run, State.UPSTREAM_FAILED)
    never_ended = State.CANCELLED if run is State.CANCELLED else State.FAILED
    found = []
    for task in tasks:
        state = never_started if task.state is State.PENDING else never_ended
        found.append(task if task.state.is_final else replace(task, state=state))
    return tuple(found)


def collected(task: Task, execution: Execution, folder: Path) -> Task:
    """Return a finished task with its outputs: copies of the `KEPT` ones below `folder`, addresses of the others."""
    kept = folder / "outputs" / _file_name(task)
    artifacts = {name: _artifact(name, made, kept) for name, made in execution.outputs.items()}
    return replace(task, outputs=artifacts)


def failed(task: Task, log: str, folder: Path) -> Task:
    """Return a failed task with its log and, where the log has one, its gate's decision; both are kept in `folder`."""
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
    """Return the path of an execution's planned task; None when there is none.

    The name decides: kfp's compiler makes it unique in the whole pipeline, except in nested pipelines. Of tasks with
    equal names the one with the most equal groups is taken, since the cluster may give a group's display name instead.
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


def _updated(task: Task, execution: Execution) -> Task:
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
    """Return an output at its address, or the copy of a `KEPT` one in `folder`."""
    kind, uri = made
    if name not in KEPT:
        return Artifact(kind, uri)
    content = objects.read(_address(uri))
    folder.mkdir(parents=True, exist_ok=True)
    durable.replace(folder / name, content)
    return Artifact(kind, str(folder / name), of_bytes(content))


def _address(uri: str) -> str:
    """Return the `s3://` address of a `minio://` one, which is how Kubeflow Pipelines names its own object store."""
    return f"s3://{uri.removeprefix('minio://')}" if uri.startswith("minio://") else uri
