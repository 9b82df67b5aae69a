"""Lineage in ML Metadata's SQLite file: the same tables that TFX and KFP write, so their tools read it."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from core import durable
from core.backends.metadata import MODEL_VERSION, ArtifactFacts, Lineage, LineageError, RunFacts, TaskFacts

RUN = "pipeline_run"
PIPELINE = "pipeline"

_Answer = TypeVar("_Answer")


class LocalMetadata:
    """ML Metadata in a file of this machine; see `Metadata` for what each method promises."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    def record(self, run: RunFacts) -> None:
        """Record a run in one transaction, under a lock that other writers wait for."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with durable.locked(self.path.with_name(f".{self.path.name}.lock")):
            self._asked(lambda: self._record(run))

    def lineage(self, name: str, version: int, digest: str) -> Lineage:
        """Trace a published version back to the run, the tasks and the data that made it."""
        if not self.path.is_file():
            raise LineageError(f"{self.path}: nothing was recorded yet; the first `mlops run` does")
        return self._asked(lambda: self._lineage(name, version, digest))

    @cached_property
    def _store(self) -> Any:
        from ml_metadata.metadata_store.metadata_store import MetadataStore  # noqa: PLC0415 - 0.4 s that only lineage should pay

        config = self._pb.ConnectionConfig()
        config.sqlite.filename_uri = str(self.path)
        return MetadataStore(config)

    @cached_property
    def _pb(self) -> Any:
        from ml_metadata.proto import metadata_store_pb2  # noqa: PLC0415 - as above

        return metadata_store_pb2

    def _asked(self, question: Callable[[], _Answer]) -> _Answer:
        """Ask the store; what it cannot do is an error that names the file."""
        from ml_metadata import errors  # noqa: PLC0415 - as above

        try:
            return question()
        except (errors.StatusError, RuntimeError) as error:
            reason = str(error).partition(" query:")[0]
            raise LineageError(
                f"{self.path}: wanted ML Metadata's SQLite file, got: {reason}; when another program keeps it locked, end that; "
                "when it is damaged, move it away: `mlops runs` and the models' manifests do not need it"
            ) from error

    def _record(self, run: RunFacts) -> None:
        pb, types = self._pb, _Types(self._store, self._pb)
        run_context = pb.Context(type_id=types.context(RUN), name=run.run_id)
        _set(run_context, {"state": run.state, "started": _iso(run.started), "pipeline": run.pipeline})
        _set(run_context, {"parameters": _json(run.parameters), "code": _json(run.code)})
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
        _set(
            execution,
            {
                "task": task.name,
                "state": task.state,
                "execution": task.execution,
                "seconds": task.seconds,
                "started": _iso(task.started),
            },
        )
        _set(execution, {"parameters": _json(task.parameters)})
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
        _set(artifact, {"digest": facts.digest, "properties": _json(facts.properties)})
        return artifact

    def _lineage(self, name: str, version: int, digest: str) -> Lineage:
        graph = _Graph(self._store, self._pb)
        published = [one for one in self._store.get_artifacts_by_type(MODEL_VERSION) if _is(one, name, version, digest)]
        makers = self._store.get_events_by_artifact_ids([one.id for one in published]) if published else []
        outputs = sorted(event.execution_id for event in makers if event.type == self._pb.Event.OUTPUT)
        if not outputs:
            raise LineageError(
                f"{self.path}: nothing is recorded of {name} version {version} ({digest}); its own manifest still says where it comes from"
            )
        # A rerun publishes nothing new: the first execution is the one that did.
        run = next(one for one in self._store.get_contexts_by_execution(outputs[0]) if one.type == RUN)
        return Lineage(name, version, digest, published[0].uri, graph.run(run, outputs[0]))


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


class _Graph:
    """Reads a run back, and of its tasks those that one of them depends on."""

    def __init__(self, store: Any, pb: Any) -> None:
        self._store, self._pb = store, pb

    def run(self, context: Any, last: int) -> RunFacts:
        executions = {one.id: one for one in self._store.get_executions_by_context(context.id)}
        events = self._store.get_events_by_execution_ids(list(executions))
        artifacts = {
            one.id: one for one in self._store.get_artifacts_by_id(sorted({event.artifact_id for event in events}))
        }
        needed = self._upstream(last, events)
        tasks = tuple(
            self._task(executions[one], [event for event in events if event.execution_id == one], artifacts)
            for one in sorted(needed)
        )
        about = {key: value.string_value for key, value in context.custom_properties.items()}
        parameters, code = json.loads(about["parameters"]), json.loads(about["code"])
        return RunFacts(
            context.name,
            about["pipeline"],
            about["state"],
            datetime.fromisoformat(about["started"]),
            parameters,
            code,
            tasks,
        )

    def _upstream(self, last: int, events: Iterable[Any]) -> set[int]:
        inputs: dict[int, list[int]] = {}
        makers: dict[int, list[int]] = {}
        for event in events:
            if event.type == self._pb.Event.OUTPUT:
                makers.setdefault(event.artifact_id, []).append(event.execution_id)
            else:
                inputs.setdefault(event.execution_id, []).append(event.artifact_id)
        found, waiting = set(), [last]
        while waiting:
            execution = waiting.pop()
            if execution not in found:
                found.add(execution)
                waiting += [maker for artifact in inputs.get(execution, []) for maker in makers.get(artifact, [])]
        return found

    def _task(self, execution: Any, events: Iterable[Any], artifacts: Mapping[int, Any]) -> TaskFacts:
        about = execution.custom_properties
        sides: dict[bool, dict[str, ArtifactFacts]] = {True: {}, False: {}}
        for event in events:
            sides[event.type == self._pb.Event.OUTPUT][event.path.steps[0].key] = _facts(artifacts[event.artifact_id])
        started = about["started"].string_value
        return TaskFacts(
            name=about["task"].string_value,
            component=execution.type,
            state=about["state"].string_value,
            cached=execution.last_known_state == self._pb.Execution.CACHED,
            execution=about["execution"].string_value,
            started=datetime.fromisoformat(started) if started else None,
            seconds=about["seconds"].double_value,
            parameters=json.loads(about["parameters"].string_value),
            inputs=sides[False],
            outputs=sides[True],
        )


def _facts(artifact: Any) -> ArtifactFacts:
    about = artifact.custom_properties
    return ArtifactFacts(
        artifact.type, artifact.uri, about["digest"].string_value, json.loads(about["properties"].string_value)
    )


def _is(artifact: Any, name: str, version: int, digest: str) -> bool:
    facts = _facts(artifact)
    return facts.digest == digest and facts.properties == {"name": name, "version": version}


def _identity(artifact: ArtifactFacts) -> str:
    """Name an artifact by place and content: what a cached task hands on is the artifact that the first execution made."""
    return f"{artifact.digest} {artifact.uri}"


def _once(edges: list[tuple[int, int, Any]]) -> list[tuple[int, int, Any]]:
    """Keep one event of several that MLMD takes for the same: a task that reads one artifact under two names."""
    return list(
        {
            (execution, artifact, event.type): (execution, artifact, event)
            for execution, artifact, event in reversed(edges)
        }.values()
    )


def _set(node: Any, properties: Mapping[str, str | float]) -> None:
    for key, value in properties.items():
        if isinstance(value, str):
            node.custom_properties[key].string_value = value
        else:
            node.custom_properties[key].double_value = value


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True)


def _iso(moment: datetime | None) -> str:
    return moment.isoformat() if moment else ""
