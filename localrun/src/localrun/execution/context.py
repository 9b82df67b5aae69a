"""What all parts of one run share."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from localrun.cache.key import cache_key
from localrun.environments.environment import Environment, image_name
from localrun.execution.attempt import Attempt
from localrun.execution.options import Options
from localrun.graph.nodes import Node, task_runtime
from localrun.hosts.hosts import Hosts
from localrun.records import TaskRun, Values
from localrun.spec.pipeline import Container, Pipeline
from localrun.store.digests import Digests
from localrun.store.journal import Journal
from localrun.store.layout import Layout


@dataclass(frozen=True)
class Context:
    """One run's pipeline, places and services."""

    pipeline: Pipeline
    run_id: str
    parameters: Mapping[str, Any]
    runtime: Mapping[str, str]
    """Values of the placeholders that are the same for all tasks."""
    layout: Layout
    journal: Journal
    environments: Mapping[str, Environment]
    options: Options
    hosts: Hosts | None = None
    digests: Digests = field(default_factory=Digests)

    def new_execution(self, task: str) -> str:
        """Return an id for a new attempt, short enough for a file name."""
        return f"{task[:100]}-{self.options.new_id()}"

    def cache_key(self, job: "Job") -> str:
        """Return the key of a job's result; empty where it cannot be known before the task runs.

        A key that the pipeline's author gives is added to ours: it separates results, and never makes different
        inputs equal.
        """
        environment = self.environments[image_name(job.container.image)]
        key = cache_key(job.node.component, job.inputs, environment, task_runtime(self.runtime, job.node), self.digests)
        own = job.node.task.cache_key
        return f"sha256:{hashlib.sha256(f'{key} {own}'.encode()).hexdigest()}" if key and own else key


@dataclass(eq=False)
class Job:
    """One task on its way through the run; belongs to the scheduler's thread."""

    node: Node
    inputs: Values
    record: TaskRun
    key: str = ""
    attempt: Attempt | None = None
    failures: int = 0
    timed_out: bool = False
    put_back: int = 0
    resting: bool = False
    """Whether it waits for the next attempt, or for another task that computes the same."""
    flying: bool = False
    """Whether this run is the one that computes the key."""
    alone: bool = False
    """Whether it must not run beside others: with them it ran out of memory."""

    @property
    def container(self) -> Container:
        """The command that the task runs."""
        assert isinstance(self.node.component.implementation, Container)
        return self.node.component.implementation
