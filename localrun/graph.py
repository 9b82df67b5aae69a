"""How far a run has come through the pipeline's nested groups: which tasks are ready, which are out of reach.

A state machine without side effects: the scheduler tells it what ended, it says what may start.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from localrun.errors import LocalrunError, OutputError, ParameterError
from localrun.parameters import from_spec
from localrun.placeholders import fill_data
from localrun.records import Artifact, State, Values
from localrun.spec import Component, Constant, Dag, FromInput, FromTask, ParameterSource, Pipeline, Task

_BAD = frozenset({State.FAILED, State.UPSTREAM_FAILED})


@dataclass(eq=False)
class Group:
    """An opened group: the root, a sub-pipeline or a branch."""

    path: str
    component: Component
    inputs: Values
    parent: "Node | None"
    nodes: dict[str, "Node"] = field(default_factory=dict)
    open: int = 0

    @property
    def dag(self) -> Dag:
        """Its tasks and outputs."""
        assert isinstance(self.component.implementation, Dag)
        return self.component.implementation


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
    consumers: list["Node"] = field(default_factory=list)


@dataclass(frozen=True)
class Ended:
    """A task that ended without ever being started."""

    path: str
    state: State
    error: str = ""


def leaves(pipeline: Pipeline) -> Iterator[tuple[str, Task, Component]]:
    """Yield every task that runs something, with its path, in the order of the pipeline."""

    def walk(prefix: str, component: Component) -> Iterator[tuple[str, Task, Component]]:
        assert isinstance(component.implementation, Dag)
        for task in _in_order(component.implementation):
            inner = pipeline.components[task.component]
            if isinstance(inner.implementation, Dag):
                yield from walk(f"{prefix}{task.name}/", inner)
            else:
                yield f"{prefix}{task.name}", task, inner

    return walk("", pipeline.root)


def task_runtime(runtime: Mapping[str, str], node: Node) -> dict[str, str]:
    """Values of all placeholders for one task; they differ from run to run."""
    return {**runtime, "pipeline_task_name": node.task.name, "pipeline_task_uuid": f"{runtime['pipeline_job_uuid']}/{node.path}"}


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


class Graph:
    """The run's position; `ready` and `ended` are for the scheduler to take from."""

    def __init__(self, pipeline: Pipeline, parameters: Mapping[str, Any], runtime: Mapping[str, str]) -> None:
        self.pipeline = pipeline
        self.runtime = runtime
        self.ready: deque[tuple[Node, Values]] = deque()
        self.ended: deque[Ended] = deque()
        self.state = State.RUNNING
        self.outputs = Values()
        self.error = ""
        self._decide: deque[Node] = deque()
        self.root = self._open("", pipeline.root, Values(parameters), None)

    def finish(self, node: Node, state: State, outputs: Values) -> None:
        """A started task ended."""
        self._end(node, state, outputs)
        self.advance()

    def advance(self) -> None:
        """Decide about every task whose upstream has ended."""
        while self._decide:
            node = self._decide.popleft()
            try:
                self._decide_one(node)
            except LocalrunError as error:
                self._never_started(node, State.FAILED, str(error))

    def _open(self, path: str, component: Component, inputs: Values, parent: Node | None) -> Group:
        group = Group(path, component, inputs, parent)
        inherited = parent.cacheable if parent else True
        for name, task in group.dag.tasks.items():
            inner = self.pipeline.components[task.component]
            is_group = isinstance(inner.implementation, Dag)
            cacheable = inherited and (task.cache if task.cache is not None else is_group)
            group.nodes[name] = Node(task, inner, f"{path}{name}", group, len(task.upstream), cacheable)
        group.open = len(group.nodes)
        for node in group.nodes.values():
            for upstream in node.task.upstream:
                group.nodes[upstream].consumers.append(node)
            if not node.missing:
                self._decide.append(node)
        if not group.open:
            self._close(group)
        return group

    def _decide_one(self, node: Node) -> None:
        states = {node.group.nodes[name].state for name in node.task.upstream}
        if states & _BAD:
            self._never_started(node, State.UPSTREAM_FAILED)
            return
        if State.SKIPPED in states:
            self._never_started(node, State.SKIPPED)
            return
        inputs = self._inputs(node)
        if node.task.condition is not None and not node.task.condition.decide(inputs.parameters):
            self._never_started(node, State.SKIPPED)
        elif isinstance(node.component.implementation, Dag):
            self._open(f"{node.path}/", node.component, inputs, node)
        else:
            self.ready.append((node, inputs))

    def _never_started(self, node: Node, state: State, error: str = "") -> None:
        if isinstance(node.component.implementation, Dag):
            inner = Pipeline(self.pipeline.name, node.component, self.pipeline.components, "", "")
            below = State.UPSTREAM_FAILED if state is State.FAILED else state
            for path, _, _ in leaves(inner):
                self.ended.append(Ended(f"{node.path}/{path}", below))
            if error:
                self.error = self.error or f"{node.path}: {error}"
        else:
            self.ended.append(Ended(node.path, state, error))
        self._end(node, state, Values())

    def _end(self, node: Node, state: State, outputs: Values) -> None:
        node.state, node.outputs = state, outputs
        for consumer in node.consumers:
            consumer.missing -= 1
            if not consumer.missing:
                self._decide.append(consumer)
        node.group.open -= 1
        if not node.group.open:
            self._close(node.group)

    def _close(self, group: Group) -> None:
        states = {node.state for node in group.nodes.values()}
        state = State.FAILED if states & _BAD else State.SUCCEEDED
        outputs = self._outputs(group) if state is State.SUCCEEDED else Values()
        if group.parent is None:
            self.state, self.outputs = state, outputs
        else:
            self._end(group.parent, state, outputs)

    @staticmethod
    def _outputs(group: Group) -> Values:
        """Collect a group's outputs: of several producers (branches) the one that was not skipped."""
        parameters: dict[str, Any] = {}
        artifacts: dict[str, Artifact] = {}
        for key, selectors in group.dag.parameters.items():
            for chosen in selectors:
                if chosen.key in group.nodes[chosen.task].outputs.parameters:
                    parameters[key] = group.nodes[chosen.task].outputs.parameters[chosen.key]
                    break
        for key, selectors in group.dag.artifacts.items():
            for chosen in selectors:
                if chosen.key in group.nodes[chosen.task].outputs.artifacts:
                    artifacts[key] = group.nodes[chosen.task].outputs.artifacts[chosen.key]
                    break
        return Values(parameters, artifacts)

    def _inputs(self, node: Node) -> Values:
        declared = node.component.input_parameters
        given = {key: self._parameter(node, source) for key, source in node.task.parameters.items() if not isinstance(source, Constant)}
        known = {key: value for key, value in given.items() if value is not None}
        message = {"inputs": {"parameterValues": known, "artifacts": {}}}
        runtime = task_runtime(self.runtime, node)
        for key, source in node.task.parameters.items():
            if isinstance(source, Constant) and source.value is not None:
                known[key] = fill_data(source.value, message, runtime)
        for key, definition in declared.items():
            if key in known:
                known[key] = from_spec(known[key], definition.type, f"{node.path}: input {key!r}")
            elif definition.has_default:
                known[key] = definition.default
            elif not definition.optional:
                raise ParameterError(f"{node.path}: no value for the input {key!r}")
        return Values(known, self._artifacts(node))

    @staticmethod
    def _parameter(node: Node, source: ParameterSource) -> Any:
        if isinstance(source, FromInput):
            return node.group.inputs.parameters.get(source.name)
        assert isinstance(source, FromTask)
        producer = node.group.nodes[source.task]
        if source.key not in producer.outputs.parameters:
            raise OutputError(f"{node.path}: {producer.path} ended without a value for its output {source.key!r}")
        return producer.outputs.parameters[source.key]

    @staticmethod
    def _artifacts(node: Node) -> dict[str, Artifact]:
        found: dict[str, Artifact] = {}
        for key, source in node.task.artifacts.items():
            origin = node.group.inputs if isinstance(source, FromInput) else node.group.nodes[source.task].outputs
            artifact = origin.artifacts.get(source.name if isinstance(source, FromInput) else source.key)
            if artifact is not None:
                found[key] = artifact
            elif not node.component.input_artifacts[key].optional:
                raise OutputError(f"{node.path}: no artifact for the input {key!r}")
        return found
