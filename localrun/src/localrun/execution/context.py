"""What all parts of one run share."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from localrun.cache.key import Key, cache_key
from localrun.environments.code import CodeFinder
from localrun.environments.environment import Environment, stands_for
from localrun.execution.attempt import Attempt
from localrun.execution.options import Options
from localrun.graph.nodes import Node, task_runtime
from localrun.hosts.hosts import Hosts
from localrun.records import TaskRun, Values
from localrun.spec.pipeline import Container, Pipeline
from localrun.spec.placeholders import fill
from localrun.store.digests import Digests
from localrun.store.journal import Journal
from localrun.store.layout import Layout


@dataclass(frozen=True)
class Context:
    """One run's pipeline, places and services."""

    pipeline: Pipeline
    run_id: str
    inputs: Values
    """What the pipeline is given."""
    runtime: Mapping[str, str]
    """Values of the placeholders that are the same for all tasks."""
    layout: Layout
    journal: Journal
    environments: Mapping[str, Environment]
    options: Options
    hosts: Hosts | None = None
    digests: Digests = field(default_factory=Digests)

    @cached_property
    def finder(self) -> CodeFinder:
        """Finds the code of tasks."""
        return CodeFinder(self.digests)

    def new_execution(self, task: str) -> str:
        """Return an id for a new attempt, short enough for a file name."""
        return f"{task[:100]}-{self.options.new_id()}"

    def environment(self, job: "Job") -> Environment:
        """What stands for the image of a job."""
        return stands_for(job.container.image, self.environments)

    def cache_key(self, job: "Job") -> Key:
        """Return the key of a job's result, or why there is none.

        A key that the pipeline's author gives is added to ours: it separates results, and never makes different
        inputs equal.
        """
        component = replace(job.node.component, implementation=job.container)
        key = cache_key(component, job.inputs, self.environment(job), task_runtime(self.runtime, job.node), self.finder)
        own = job.node.task.cache_key
        if key.value and own:
            return replace(key, value=f"sha256:{hashlib.sha256(f'{key.value} {own}'.encode()).hexdigest()}")
        return key

    def may_cache(self, job: "Job") -> bool:
        """Whether this run and the pipeline want a job's result to be used again."""
        return job.node.cacheable and self.options.cache


@dataclass(eq=False)
class Job:
    """One task on its way through the run; belongs to the scheduler's thread."""

    node: Node
    inputs: Values
    record: TaskRun
    key: Key = field(default_factory=Key)
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

    def rested(self) -> None:
        """It has waited long enough."""
        self.resting = False

    @cached_property
    def container(self) -> Container:
        """The command that the task runs; an image that is a parameter is the parameter's value."""
        found = self.node.component.implementation
        assert isinstance(found, Container)
        if not found.has_open_image:
            return found
        message = {"inputs": {"parameterValues": dict(self.inputs.parameters), "artifacts": {}}}
        return replace(found, image=fill(found.image, message, {}))
