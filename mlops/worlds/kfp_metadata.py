"""Reads from Kubeflow Pipelines' ML Metadata what it records of a run's tasks.

Kubeflow Pipelines plans to drop ML Metadata; only this file depends on it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from core.errors import MlopsError
from mlops.runs.record import State

_RUN = "system.PipelineRun"
_CONTAINER = "system.ContainerExecution"
_GROUP = "system.DAGExecution"
_STATES = {
    "RUNNING": State.RUNNING,
    "COMPLETE": State.SUCCEEDED,
    "CACHED": State.SUCCEEDED,
    "FAILED": State.FAILED,
    "CANCELED": State.CANCELLED,
}
_SECONDS = 20


@dataclass(frozen=True)
class Execution:
    """One attempt of a task, as the cluster records it."""

    task: str
    """Name of the task in the pipeline, such as `train-model`."""
    id: str
    state: State
    cached: bool
    pod: str
    """Name of its pod; empty before there is one, and for a cached result."""
    started: datetime
    changed: datetime
    """Time of the last change of state; the end of an execution that has ended."""
    outputs: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Output artifact -> its type and address."""
    groups: tuple[str, ...] = ()
    """Names of the groups that it is in, such as `for-loop-1`, outermost first."""
    iterations: tuple[int, ...] = ()
    """Its iteration, from 0, of each loop that it is in, outermost first."""


class KfpMetadata:
    """The metadata service of one deployment, at `host:port`."""

    def __init__(self, address: str) -> None:
        import grpc  # noqa: PLC0415 - half a second that only a waiting submission pays
        from ml_metadata.proto import metadata_store_service_pb2_grpc  # noqa: PLC0415

        self._address = address
        self._channel = grpc.insecure_channel(address)
        self._stub = metadata_store_service_pb2_grpc.MetadataStoreServiceStub(self._channel)

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def executions(self, run_id: str) -> list[Execution]:
        """Return the executions of a run's tasks in the order they started; empty before the first one.

        Raises MlopsError when the service does not answer.
        """
        context = self._ask("GetContextByTypeAndName", type_name=_RUN, context_name=run_id).context
        if not context.id:
            return []
        records = self._ask("GetExecutionsByContext", context_id=context.id).executions
        groups = {record.id: record for record in records if record.type == _GROUP}
        found = [record for record in records if record.type == _CONTAINER]
        outputs = self._outputs([record.id for record in found])
        return sorted(
            (_execution(record, outputs.get(record.id, {}), groups) for record in found),
            key=lambda execution: (execution.started, int(execution.id)),
        )

    def _outputs(self, ids: list[int]) -> dict[int, dict[str, tuple[str, str]]]:
        """Map executions to their output artifacts by name."""
        if not ids:
            return {}
        events = self._ask("GetEventsByExecutionIDs", execution_ids=ids).events
        made = [event for event in events if event.Type.Name(event.type) in ("OUTPUT", "DECLARED_OUTPUT")]
        if not made:
            return {}
        artifact_ids = sorted({event.artifact_id for event in made})
        artifacts = self._ask("GetArtifactsByID", artifact_ids=artifact_ids).artifacts
        known = {artifact.id: (artifact.type, artifact.uri) for artifact in artifacts}
        found: dict[int, dict[str, tuple[str, str]]] = {}
        for event in made:
            names = [step.key for step in event.path.steps if step.key]
            if names and event.artifact_id in known:
                found.setdefault(event.execution_id, {})[names[0]] = known[event.artifact_id]
        return found

    def _ask(self, call: str, **fields: Any) -> Any:
        import grpc  # noqa: PLC0415
        from ml_metadata.proto import metadata_store_service_pb2 as messages  # noqa: PLC0415

        try:
            return getattr(self._stub, call)(getattr(messages, f"{call}Request")(**fields), timeout=_SECONDS)
        except grpc.RpcError as error:
            raise MlopsError(
                f"{self._address}: wanted the metadata of Kubeflow Pipelines, "
                f"got {error.code().name}: {error.details()}"
            ) from None


def _execution(record: Any, outputs: Mapping[str, tuple[str, str]], groups: Mapping[int, Any]) -> Execution:
    state = record.State.Name(record.last_known_state)
    names, iterations = _position(record, groups)
    return Execution(
        task=_text(record, "task_name"),
        id=str(record.id),
        state=_STATES.get(state, State.PENDING),
        cached=state == "CACHED",
        pod=_text(record, "pod_name"),
        started=_time(record.create_time_since_epoch),
        changed=_time(record.last_update_time_since_epoch),
        outputs=outputs,
        groups=names,
        iterations=iterations,
    )


def _position(record: Any, groups: Mapping[int, Any]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return an execution's groups and iterations: its parents up to the root, which does not count as a group.

    A loop is a group with an `iteration_count`. Each of its iterations is a group inside it, of the same name, with an
    `iteration_index`. A loop in a loop may have the outer iteration's index too, so the count is checked first.
    """
    names: list[str] = []
    iterations: list[int] = []
    parent = groups.get(_number(record, "parent_dag_id"))
    while parent is not None and _number(parent, "parent_dag_id") in groups:
        if "iteration_count" in parent.custom_properties or "iteration_index" not in parent.custom_properties:
            names.append(_text(parent, "task_name"))
        else:
            iterations.append(_number(parent, "iteration_index"))
        parent = groups.get(_number(parent, "parent_dag_id"))
    return tuple(reversed(names)), tuple(reversed(iterations))


def _text(record: Any, name: str) -> str:
    properties = record.custom_properties
    return str(properties[name].string_value) if name in properties else ""


def _number(record: Any, name: str) -> int:
    properties = record.custom_properties
    return int(properties[name].int_value) if name in properties else 0


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
