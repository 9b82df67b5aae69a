"""What all parts of one run share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from localrun.attempt import Attempt
from localrun.digests import Digests
from localrun.environment import Environment
from localrun.hosts import Hosts
from localrun.journal import Journal
from localrun.layout import Layout
from localrun.nodes import Node
from localrun.options import Options
from localrun.records import TaskRun, Values
from localrun.spec import Container, Pipeline


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
