"""Reads a run from ML Metadata's store, with the tasks that one of its tasks depends on."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from core.backends.metadata import ArtifactFacts, RunFacts, TaskFacts
from core.backends.mlmd_facts import artifact_facts


class LineageGraph:
    """Reads runs from an open store; `pb` is ml_metadata's module of messages."""

    def __init__(self, store: Any, pb: Any) -> None:
        self._store, self._pb = store, pb

    def run(self, context: Any, last: int) -> RunFacts:
        """Return the run of a context, with the execution `last` and the tasks that it depends on."""
        executions = {execution.id: execution for execution in self._store.get_executions_by_context(context.id)}
        events = self._store.get_events_by_execution_ids(list(executions))
        artifact_ids = sorted({event.artifact_id for event in events})
        artifacts = {artifact.id: artifact for artifact in self._store.get_artifacts_by_id(artifact_ids)}
        tasks = []
        for execution_id in sorted(self._upstream(last, events)):
            own_events = [event for event in events if event.execution_id == execution_id]
            tasks.append(self._task(executions[execution_id], own_events, artifacts))
        stored = {key: value.string_value for key, value in context.custom_properties.items()}
        return RunFacts(
            run_id=context.name,
            pipeline=stored["pipeline"],
            state=stored["state"],
            started=datetime.fromisoformat(stored["started"]),
            parameters=json.loads(stored["parameters"]),
            code=json.loads(stored["code"]),
            tasks=tuple(tasks),
        )

    def _upstream(self, last: int, events: Iterable[Any]) -> set[int]:
        inputs: dict[int, list[int]] = {}
        producers: dict[int, list[int]] = {}
        for event in events:
            if event.type == self._pb.Event.OUTPUT:
                producers.setdefault(event.artifact_id, []).append(event.execution_id)
            else:
                inputs.setdefault(event.execution_id, []).append(event.artifact_id)
        found, waiting = set(), [last]
        while waiting:
            execution = waiting.pop()
            if execution not in found:
                found.add(execution)
                for artifact in inputs.get(execution, []):
                    waiting += producers.get(artifact, [])
        return found

    def _task(self, execution: Any, events: Iterable[Any], artifacts: Mapping[int, Any]) -> TaskFacts:
        stored = execution.custom_properties
        inputs: dict[str, ArtifactFacts] = {}
        outputs: dict[str, ArtifactFacts] = {}
        for event in events:
            named = outputs if event.type == self._pb.Event.OUTPUT else inputs
            named[event.path.steps[0].key] = artifact_facts(artifacts[event.artifact_id])
        started = stored["started"].string_value
        return TaskFacts(
            name=stored["task"].string_value,
            component=execution.type,
            state=stored["state"].string_value,
            cached=execution.last_known_state == self._pb.Execution.CACHED,
            execution=stored["execution"].string_value,
            started=datetime.fromisoformat(started) if started else None,
            seconds=stored["seconds"].double_value,
            parameters=json.loads(stored["parameters"].string_value),
            inputs=inputs,
            outputs=outputs,
        )
