"""Where a run stands in its pipeline: opened groups, their tasks, running loops, and news for the scheduler."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from localrun.records import State, Values
from localrun.spec.pipeline import Component, Container, Dag, Pipeline, Task


@dataclass(eq=False)
class Group:
    """An opened group: the root, a sub-pipeline, a branch, or one iteration of a loop."""

    path: str
    component: Component
    inputs: Values
    parent: "Node | None"
    index: int | None = None
    """Which iteration it is; None outside of loops."""
    nodes: dict[str, "Node"] = field(default_factory=dict)
    open: int = 0
    state: State = State.RUNNING
    outputs: Values = field(default_factory=Values)

    @property
    def dag(self) -> Dag:
        """Its tasks and outputs."""
        assert isinstance(self.component.implementation, Dag)
        return self.component.implementation

    @property
    def is_protected(self) -> bool:
        """Whether it runs to its end although the run was cancelled: it is, or is part of, an exit task."""
        return self.parent is not None and self.parent.is_protected

    @property
    def must_run_again(self) -> bool:
        """Whether results from before a resume do not count."""
        return self.parent is not None and self.parent.must_run_again


@dataclass(eq=False)
class Iterations:
    """A loop that has begun."""

    inputs: tuple[Values, ...]
    waiting: deque[int]
    groups: dict[int, Group] = field(default_factory=dict)
    open: int = 0


@dataclass(eq=False)
class Node:
    """A task in an opened group."""

    task: Task
    component: Component
    path: str
    group: Group
    missing: int
    cacheable: bool
    state: State = State.PENDING
    outputs: Values = field(default_factory=Values)
    error: str = ""
    consumers: list["Node"] = field(default_factory=list)
    iterations: Iterations | None = None
    failures: int = 0
    """How often it has failed as a group."""
    ran: bool = False
    """Whether it, or something in it, ran since the run was started or resumed."""
    is_ahead: bool = False
    """Whether it was handed out before tasks have ended that it takes nothing from; how it ends counts after them."""
    refused: State | None = None
    """How a task ends that was handed out ahead, and should not have begun."""

    @property
    def is_protected(self) -> bool:
        """Whether it runs although the run was cancelled."""
        return self.task.always or self.group.is_protected

    @property
    def must_run_again(self) -> bool:
        """Whether an earlier result does not count: what it ran after has changed since."""
        return self.group.must_run_again or (
            self.task.always and any(self.group.nodes[name].ran for name in self.task.upstream)
        )


@dataclass(frozen=True)
class Opened:
    """A loop has begun, and with it this task has come up; `is_begun` of the loop itself."""

    path: str
    task: Task
    component: Component
    is_begun: bool = False


@dataclass(frozen=True)
class Ended:
    """A task that ended without being started, or a loop that ended."""

    path: str
    state: State
    error: str = ""


@dataclass(frozen=True, eq=False)
class Joined:
    """All that a task waits for has ended, after it was handed out ahead: it counts, or is refused."""

    node: Node


@dataclass(frozen=True, eq=False)
class Delayed:
    """A group failed and shall be opened again after `seconds`."""

    node: Node
    seconds: float


News = Opened | Ended | Joined | Delayed


def leaves(
    pipeline: Pipeline, component: Component | None = None, prefix: str = ""
) -> Iterator[tuple[str, Task, Component]]:
    """Yield every task known before a loop begins, with its path, in the pipeline's order; a loop is one task."""
    dag = (component or pipeline.root).implementation
    assert isinstance(dag, Dag)
    for task in _in_order(dag):
        inner = pipeline.components[task.component]
        if isinstance(inner.implementation, Dag) and task.loop is None:
            yield from leaves(pipeline, inner, f"{prefix}{task.name}/")
        else:
            yield f"{prefix}{task.name}", task, inner


def containers(pipeline: Pipeline, component: Component) -> Iterator[Container]:
    """Yield every command of a component, inside loops too."""
    implementation = component.implementation
    if isinstance(implementation, Container):
        yield implementation
    elif isinstance(implementation, Dag):
        for name in {task.component for task in implementation.tasks.values()}:
            yield from containers(pipeline, pipeline.components[name])


def task_runtime(runtime: Mapping[str, str], node: Node) -> dict[str, str]:
    """Values of all placeholders for one task; they differ from run to run."""
    return {
        **runtime,
        "pipeline_task_name": node.task.name,
        "pipeline_task_uuid": f"{runtime['pipeline_job_uuid']}/{node.path}",
    }


def _in_order(dag: Dag) -> list[Task]:
    """Tasks after those they wait for, otherwise by name."""
    ordered: list[Task] = []
    done: set[str] = set()
    waiting = sorted(dag.tasks.values(), key=lambda task: task.name)
    while waiting:
        level = [task for task in waiting if task.upstream <= done]
        ordered += level
        done |= {task.name for task in level}
        waiting = [task for task in waiting if task.name not in done]
    return ordered
