"""Reads a run back from ML Metadata's store, and of its tasks those that one of them depends on."""

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
        """Return a run by its context, with the tasks that the execution `last` depends on, and that one."""
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
            sides[event.type == self._pb.Event.OUTPUT][event.path.steps[0].key] = artifact_facts(
                artifacts[event.artifact_id]
            )
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
