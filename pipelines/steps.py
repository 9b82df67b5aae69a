"""The `steps` section: resources, retries and the time limit of each stage.

They do not change what a stage computes, so they are not part of its own section or of its cache key.
"""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from core.settings import Settings

if TYPE_CHECKING:
    from kfp.dsl import PipelineTask

Cpu = Annotated[str, Field(pattern=r"^([0-9]+(\.[0-9]+)?|[0-9]+m)$")]
"""Processors as Kubernetes writes them: `2`, `0.5` or `500m`."""
Memory = Annotated[str, Field(pattern=r"^[0-9]+(K|Ki|M|Mi|G|Gi)$")]
"""Bytes as Kubernetes writes them, such as `512Mi` or `4G`."""


class Resources(Settings):
    """Processors and memory of one stage; what is set aside for it, and what it must not exceed."""

    cpu: Cpu = "100m"
    """Set aside: a step that asks for more than a node has left waits forever, so this is small, unlike the limit."""
    cpu_limit: Cpu = "2"
    memory: Memory = "512Mi"
    """Set aside."""
    memory_limit: Memory = "4Gi"
    """A step that takes more is killed."""


class Retry(Settings):
    """What happens when an attempt fails."""

    times: int = Field(default=0, ge=0, le=10)
    """Further attempts; a gate that says no is an answer and no failure."""
    wait_seconds: int = Field(default=10, ge=0, le=3600)
    """Before the second attempt; twice as long before each further one."""


class Step(Settings):
    """How one stage runs, wherever that is."""

    resources: Resources = Resources()
    retry: Retry = Retry()
    timeout_minutes: float = Field(default=60.0, gt=0, le=7 * 24 * 60)
    """How long one attempt may take."""


def apply(step: Step, task: "PipelineTask") -> "PipelineTask":
    """Set the resources, retries and time limit of a task; return the task."""
    from kfp import kubernetes  # noqa: PLC0415 - only compiling has kfp

    task.set_cpu_request(step.resources.cpu).set_cpu_limit(step.resources.cpu_limit)
    task.set_memory_request(step.resources.memory).set_memory_limit(step.resources.memory_limit)
    if step.retry.times:
        task.set_retry(
            step.retry.times,
            backoff_duration=f"{step.retry.wait_seconds}s",
            backoff_factor=2.0,
            backoff_max_duration="3600s",
        )
    return kubernetes.set_timeout(task, max(1, round(step.timeout_minutes * 60)))
