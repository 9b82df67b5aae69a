"""Writes a run into ML Metadata's store: the same run again updates what is recorded and doubles nothing."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from core.backends.metadata import ArtifactFacts, RunFacts, TaskFacts
from core.backends.mlmd_facts import RUN, as_json, set_properties

PIPELINE = "pipeline"


class RunWriter:
    """Writes runs into an open store; `pb` is ml_metadata's module of messages."""

    def __init__(self, store: Any, pb: Any) -> None:
        self._store, self._pb = store, pb

    def write(self, run: RunFacts) -> None:
        """Record the run's contexts, executions, artifacts and events."""
        pb, types = self._pb, _Types(self._store, self._pb)
        run_context = pb.Context(type_id=types.context(RUN), name=run.run_id)
        set_properties(run_context, {"state": run.state, "started": _iso(run.started), "pipeline": run.pipeline})
        set_properties(run_context, {"parameters": as_json(run.parameters), "code": as_json(run.code)})
        known = self._known(run.run_id)
        executions = [self._execution(run, task, types.execution(task.component), known) for task in run.tasks]
        artifacts, edges = self._edges(run.tasks, types, {name: execution.id for name, execution in known.items()})
        pipeline = pb.Context(type_id=types.context(PIPELINE), name=run.pipeline)
        self._store.put_lineage_subgraph(
            executions,
            artifacts,
            [run_context, pipeline],
            edges,
            reuse_context_if_already_exist=True,
            reuse_artifact_if_already_exist_by_external_id=True,
        )
        self._refresh(run_context)

    def _refresh(self, wanted: Any) -> None:
        """Bring a context that was there before up to date: MLMD reuses it as it is."""
        found = self._store.get_context_by_type_and_name(RUN, wanted.name)
        if dict(found.custom_properties) != dict(wanted.custom_properties):
            wanted.id = found.id
            self._store.put_contexts([wanted])

    def _known(self, run_id: str) -> dict[str, Any]:
        context = self._store.get_context_by_type_and_name(RUN, run_id)
        return (
            {}
            if context is None
            else {execution.name: execution for execution in self._store.get_executions_by_context(context.id)}
        )

    def _execution(self, run: RunFacts, task: TaskFacts, type_id: int, known: Mapping[str, Any]) -> Any:
        execution = self._pb.Execution(type_id=type_id, name=f"{run.run_id}/{task.name}")
        states = {"SUCCEEDED": "CACHED" if task.cached else "COMPLETE", "SKIPPED": "CANCELED", "CANCELLED": "CANCELED"}
        execution.last_known_state = self._pb.Execution.State.Value(states.get(task.state, "FAILED"))
        set_properties(
            execution,
            {
                "task": task.name,
                "state": task.state,
                "execution": task.execution,
                "seconds": task.seconds,
                "started": _iso(task.started),
            },
        )
        set_properties(execution, {"parameters": as_json(task.parameters)})
        if execution.name in known:
            execution.id = known[execution.name].id
        return execution

    def _edges(
        self, tasks: Sequence[TaskFacts], types: "_Types", known: Mapping[str, int]
    ) -> tuple[list[Any], list[Any]]:
        """Build each artifact once, and an event for each use of it that is not recorded yet."""
        pb = self._pb
        old = self._events(list(known.values())) if known else set()
        position: dict[str, int] = {}
        artifacts: list[Any] = []
        edges = []
        for index, kind, name, artifact in self._uses(tasks):
            identity = _identity(artifact)
            if (tasks[index].name, kind, identity) in old:
                continue
            if identity not in position:
                position[identity] = len(artifacts)
                artifacts.append(self._artifact(artifact, types.artifact(artifact.type)))
            event = pb.Event(type=kind, path=pb.Event.Path(steps=[pb.Event.Path.Step(key=name)]))
            edges.append((index, position[identity], event))
        return artifacts, _once(edges)

    def _uses(self, tasks: Sequence[TaskFacts]) -> Iterator[tuple[int, int, str, ArtifactFacts]]:
        """Yield which task read or wrote which artifact under which name."""
        for index, task in enumerate(tasks):
            yield from ((index, self._pb.Event.INPUT, name, artifact) for name, artifact in task.inputs.items())
            yield from ((index, self._pb.Event.OUTPUT, name, artifact) for name, artifact in task.outputs.items())

    def _events(self, executions: list[int]) -> set[tuple[str, int, str]]:
        events = self._store.get_events_by_execution_ids(executions)
        names = {
            one.id: one.custom_properties["task"].string_value for one in self._store.get_executions_by_id(executions)
        }
        identities = {
            one.id: one.external_id
            for one in self._store.get_artifacts_by_id(sorted({event.artifact_id for event in events}))
        }
        return {(names[event.execution_id], event.type, identities[event.artifact_id]) for event in events}

    def _artifact(self, facts: ArtifactFacts, type_id: int) -> Any:
        artifact = self._pb.Artifact(
            type_id=type_id, uri=facts.uri, external_id=_identity(facts), state=self._pb.Artifact.LIVE
        )
        set_properties(artifact, {"digest": facts.digest, "properties": as_json(facts.properties)})
        return artifact


class _Types:
    """Ids of MLMD's types by name; a type that is not there yet is made."""

    def __init__(self, store: Any, pb: Any) -> None:
        self._store, self._pb = store, pb
        self._executions = {one.name: one.id for one in store.get_execution_types()}
        self._artifacts = {one.name: one.id for one in store.get_artifact_types()}
        self._contexts = {one.name: one.id for one in store.get_context_types()}

    def execution(self, name: str) -> int:
        if name not in self._executions:
            self._executions[name] = self._store.put_execution_type(self._pb.ExecutionType(name=name))
        return int(self._executions[name])

    def artifact(self, name: str) -> int:
        if name not in self._artifacts:
            self._artifacts[name] = self._store.put_artifact_type(self._pb.ArtifactType(name=name))
        return int(self._artifacts[name])

    def context(self, name: str) -> int:
        if name not in self._contexts:
            self._contexts[name] = self._store.put_context_type(self._pb.ContextType(name=name))
        return int(self._contexts[name])


def _identity(artifact: ArtifactFacts) -> str:
    """Name an artifact by place and content: a cached task hands on the artifact that the first execution made."""
    return f"{artifact.digest} {artifact.uri}"


def _once(edges: list[tuple[int, int, Any]]) -> list[tuple[int, int, Any]]:
    """Keep one event of several that MLMD takes for the same: a task that reads one artifact under two names."""
    return list(
        {
            (execution, artifact, event.type): (execution, artifact, event)
            for execution, artifact, event in reversed(edges)
        }.values()
    )


def _iso(moment: datetime | None) -> str:
    return moment.isoformat() if moment else ""
