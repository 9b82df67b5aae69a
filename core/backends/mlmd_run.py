"""Writes a run into ML Metadata's store; writing the same run again updates its record."""

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
        """Update a context that existed before, because MLMD reuses it unchanged."""
        stored = self._store.get_context_by_type_and_name(RUN, wanted.name)
        if dict(stored.custom_properties) != dict(wanted.custom_properties):
            wanted.id = stored.id
            self._store.put_contexts([wanted])

    def _known(self, run_id: str) -> dict[str, Any]:
        """Return the recorded executions of a run by name."""
        context = self._store.get_context_by_type_and_name(RUN, run_id)
        if context is None:
            return {}
        return {execution.name: execution for execution in self._store.get_executions_by_context(context.id)}

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
        recorded = self._recorded_events(list(known.values())) if known else set()
        position: dict[str, int] = {}
        artifacts: list[Any] = []
        edges = []
        for index, kind, name, artifact in self._uses(tasks):
            identity = _identity(artifact)
            if (tasks[index].name, kind, identity) in recorded:
                continue
            if identity not in position:
                position[identity] = len(artifacts)
                artifacts.append(self._artifact(artifact, types.artifact(artifact.type)))
            event = pb.Event(type=kind, path=pb.Event.Path(steps=[pb.Event.Path.Step(key=name)]))
            edges.append((index, position[identity], event))
        return artifacts, _without_repeats(edges)

    def _uses(self, tasks: Sequence[TaskFacts]) -> Iterator[tuple[int, int, str, ArtifactFacts]]:
        """Yield (index of the task, INPUT or OUTPUT, name, artifact) for every artifact that a task read or wrote."""
        for index, task in enumerate(tasks):
            yield from ((index, self._pb.Event.INPUT, name, artifact) for name, artifact in task.inputs.items())
            yield from ((index, self._pb.Event.OUTPUT, name, artifact) for name, artifact in task.outputs.items())

    def _recorded_events(self, execution_ids: list[int]) -> set[tuple[str, int, str]]:
        """Return (task's name, INPUT or OUTPUT, artifact's identity) of the events of some executions."""
        events = self._store.get_events_by_execution_ids(execution_ids)
        executions = self._store.get_executions_by_id(execution_ids)
        artifacts = self._store.get_artifacts_by_id(sorted({event.artifact_id for event in events}))
        tasks = {execution.id: execution.custom_properties["task"].string_value for execution in executions}
        identities = {artifact.id: artifact.external_id for artifact in artifacts}
        return {(tasks[event.execution_id], event.type, identities[event.artifact_id]) for event in events}

    def _artifact(self, facts: ArtifactFacts, type_id: int) -> Any:
        artifact = self._pb.Artifact(
            type_id=type_id, uri=facts.uri, external_id=_identity(facts), state=self._pb.Artifact.LIVE
        )
        set_properties(artifact, {"digest": facts.digest, "properties": as_json(facts.properties)})
        return artifact


class _Types:
    """Ids of MLMD's types by name; a missing type is created."""

    def __init__(self, store: Any, pb: Any) -> None:
        self._store, self._pb = store, pb
        self._executions = {known.name: known.id for known in store.get_execution_types()}
        self._artifacts = {known.name: known.id for known in store.get_artifact_types()}
        self._contexts = {known.name: known.id for known in store.get_context_types()}

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
    """Identify an artifact by URI and content: a cached task passes on the artifact that the first execution wrote."""
    return f"{artifact.digest} {artifact.uri}"


def _without_repeats(edges: list[tuple[int, int, Any]]) -> list[tuple[int, int, Any]]:
    """Keep the first event of a task that reads one artifact under two names: MLMD takes both for the same event."""
    kept: dict[tuple[int, int, int], tuple[int, int, Any]] = {}
    for execution, artifact, event in edges:
        kept.setdefault((execution, artifact, event.type), (execution, artifact, event))
    return list(kept.values())


def _iso(moment: datetime | None) -> str:
    return moment.isoformat() if moment else ""
