"""Translates the tasks of a pipeline job into executions, as the other worlds record them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from mlops.runs.record import State
from mlops.worlds.kfp_metadata import Execution
from mlops.worlds.vertex.job import DEADLINE

JOB_STATES = {
    "PIPELINE_STATE_SUCCEEDED": State.SUCCEEDED,
    "PIPELINE_STATE_FAILED": State.FAILED,
    "PIPELINE_STATE_CANCELLED": State.CANCELLED,
}
"""Final states of a job; in all others it goes on, also while it is cancelled."""
WITHOUT_SUCCESS = frozenset({"PIPELINE_STATE_FAILED", "PIPELINE_STATE_CANCELLED", "PIPELINE_STATE_CANCELLING"})
"""States after which a job does not succeed any more."""
_STATES = {
    "PENDING": State.PENDING,
    "SUCCEEDED": State.SUCCEEDED,
    "SKIPPED": State.SUCCEEDED,  # its result came from the cache
    "NOT_TRIGGERED": State.SKIPPED,  # its condition was false
    "FAILED": State.FAILED,
    "CANCELLED": State.CANCELLED,
}


def executions(job: Any) -> dict[str, tuple[Execution, Any]]:
    """Return the executions of a job by id, in the order they started, each with the detail that it is made from."""
    details = sorted(job.job_detail.task_details, key=lambda one: (_time(one.create_time), one.task_id))
    by_id = {one.task_id: one for one in details}
    siblings: dict[tuple[int, str], list[int]] = {}
    for one in details:
        siblings.setdefault((one.parent_task_id, one.task_name), []).append(one.task_id)
    found = {}
    for one in details:
        chain = _chain(one, by_id)
        iterations = [
            siblings[node.parent_task_id, node.task_name].index(node.task_id)
            for node in chain
            if _is_iteration(node, by_id)
        ]
        groups = [node.task_name for node in chain[:-1] if not _is_iteration(node, by_id)]
        found[str(one.task_id)] = _execution(one, tuple(groups), tuple(iterations)), one
    return found


def reason(detail: Any) -> str:
    """Return why a task failed: its error, or the last one of its states."""
    if detail.error.message:
        return str(detail.error.message)
    messages = [status.error.message for status in detail.pipeline_task_status if status.error.message]
    return messages[-1] if messages else "Vertex AI gives no reason"


def logs_link(detail: Any, project: str) -> str:
    """Return the address of a task's logs in the console; empty where it never had a container."""
    job = detail.executor_detail.container_detail.main_job
    failed = list(detail.executor_detail.container_detail.failed_main_jobs)
    identity = (job or (failed[-1] if failed else "")).rpartition("/")[2]
    if not identity:
        return ""
    query = quote(f'resource.type="ml_job"\nresource.labels.job_id="{identity}"', safe="")
    return f"https://console.cloud.google.com/logs/query;query={query}?project={project}"


def output_address(job: Any, detail: Any, name: str) -> str:
    """Return where a task writes an output: as recorded, or where Vertex AI puts it, as for a task that failed."""
    recorded = detail.outputs[name].artifacts if name in detail.outputs else ()
    if recorded:
        return str(recorded[0].uri)
    project_number, job_id = job.name.split("/")[1], job.name.rpartition("/")[2]
    root = job.runtime_config.gcs_output_directory
    return f"{root}/{project_number}/{job_id}/{detail.task_name}_{detail.task_id}/{name}"


def is_late(job: Any) -> bool:
    """Whether a job still runs although all of its steps together may not take as long."""
    limit, began = job.labels.get(DEADLINE, ""), time_of(job.create_time)
    if job.state.name in {*JOB_STATES, *WITHOUT_SUCCESS} or began is None or not limit.isdecimal():
        return False
    return (datetime.now(UTC) - began).total_seconds() > int(limit)


def time_of(value: Any) -> datetime | None:
    """Return a time of the interface as a plain one; None where it is not set."""
    return datetime.fromtimestamp(value.timestamp(), UTC) if value else None


def _time(value: Any) -> datetime:
    return time_of(value) or datetime.fromtimestamp(0, UTC)


def _chain(detail: Any, by_id: Mapping[int, Any]) -> list[Any]:
    """Return a task after the groups it is in, outermost first; the pipeline itself, which has no parent, left out."""
    chain = [detail]
    while chain[0].parent_task_id in by_id and by_id[chain[0].parent_task_id].parent_task_id in by_id:
        chain.insert(0, by_id[chain[0].parent_task_id])
    return chain


def _is_iteration(detail: Any, by_id: Mapping[int, Any]) -> bool:
    """Whether a group is one iteration of the loop above it, which has the same name."""
    above = by_id.get(detail.parent_task_id)
    return above is not None and above.task_name == detail.task_name


def _execution(detail: Any, groups: tuple[str, ...], iterations: tuple[int, ...]) -> Execution:
    state = detail.state.name
    outputs = {
        name: (one.artifacts[0].schema_title, one.artifacts[0].uri)
        for name, one in detail.outputs.items()
        if one.artifacts
    }
    started = _time(detail.start_time or detail.create_time)
    return Execution(
        task=detail.task_name,
        id=str(detail.task_id),
        state=_STATES.get(state, State.RUNNING),
        cached=state == "SKIPPED",
        pod="",
        started=started,
        changed=time_of(detail.end_time) or started,
        outputs=outputs,
        groups=groups,
        iterations=iterations,
    )
