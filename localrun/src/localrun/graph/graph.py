"""How far a run has come through the pipeline's nested groups: which tasks are ready, which are out of reach.

A state machine without side effects: the scheduler tells it what ended, it says what may start.
"""

from collections import deque
from collections.abc import Collection, Mapping
from contextlib import suppress

from localrun.errors import LocalrunError, ParameterError
from localrun.graph import bindings
from localrun.graph.nodes import Delayed, Ended, Group, Iterations, Joined, News, Node, Opened, leaves
from localrun.records import State, Values
from localrun.spec.commands import function_name
from localrun.spec.pipeline import Container, Dag, Pipeline

_BAD = frozenset({State.FAILED, State.UPSTREAM_FAILED})
_TASKS = 100_000


class Graph:
    """The run's position; `news` and then `ready` are for the scheduler to take from."""

    def __init__(
        self, pipeline: Pipeline, inputs: Values, runtime: Mapping[str, str], ahead: Collection[str] = ()
    ) -> None:
        """Begin; tasks of the functions in `ahead` are handed out as soon as they have their inputs."""
        self.pipeline = pipeline
        self.runtime = runtime
        self.functions_ahead = ahead
        self.ready: deque[tuple[Node, Values]] = deque()
        self.news: deque[News] = deque()
        self.state = State.RUNNING
        self.outputs = Values()
        self.error = ""
        self._decide: deque[Node] = deque()
        self._resting: dict[Node, Group] = {}
        self._cancelled = self._killed = False
        self._tasks = 0
        self.root = self._open(Group("", pipeline.root, inputs, None))

    def finish(self, node: Node, state: State, outputs: Values, *, error: str = "", ran: bool = True) -> None:
        """A started task ended; `ran` is False when it had ended before the run was resumed."""
        node.ran = ran
        self._end(node, state, outputs, error)
        self.advance()

    def advance(self) -> None:
        """Decide about every task whose upstream has ended."""
        while self._decide:
            node = self._decide.popleft()
            try:
                self._decide_one(node)
            except LocalrunError as error:
                self._never_started(node, State.FAILED, str(error))

    def cancel(self, *, kill: bool) -> None:
        """Let nothing more begin but exit tasks; with `kill` not even those."""
        self._cancelled = True
        self._killed = self._killed or kill
        for node in [node for node in self._resting if self.is_stopped(node)]:
            del self._resting[node]
            self._end(node, State.CANCELLED, Values())
        self.advance()

    def is_stopped(self, node: Node) -> bool:
        """Whether a task must not begin any more."""
        return self._killed or node.refused is not None or (self._cancelled and not node.is_protected)

    def reopen(self, node: Node) -> None:
        """Try a failed group again, unless the run was cancelled meanwhile."""
        group = self._resting.pop(node, None)
        if group is not None:
            self._open(Group(group.path, group.component, group.inputs, node))
            self.advance()

    def _open(self, group: Group) -> Group:
        parent = group.parent
        inherited = parent.cacheable if parent else True
        for name, task in group.dag.tasks.items():
            inner = self.pipeline.components[task.component]
            is_group = isinstance(inner.implementation, Dag)
            cacheable = inherited and (task.cache if task.cache is not None else is_group)
            group.nodes[name] = Node(task, inner, f"{group.path}{name}", group, len(task.upstream), cacheable)
        group.open = len(group.nodes)
        for node in group.nodes.values():
            for upstream in node.task.upstream:
                group.nodes[upstream].consumers.append(node)
            if not node.missing:
                self._decide.append(node)
            else:
                self._hand_out_ahead(node)
        if not group.open:
            self._close(group)
        return group

    def _hand_out_ahead(self, node: Node) -> None:
        """Let a task begin that has its inputs, where only the order is missing; a fault of them is for its turn."""
        task, command = node.task, node.component.implementation
        if not isinstance(command, Container) or function_name(command) not in self.functions_ahead:
            return
        has_inputs = all(node.group.nodes[name].state is State.SUCCEEDED for name in task.sources)
        if not has_inputs or node.is_ahead or self.is_stopped(node) or task.always or task.condition or task.loop:
            return
        with suppress(LocalrunError):
            self.ready.append((node, bindings.inputs(node, self.runtime)))
            node.is_ahead = True

    def _join(self, node: Node) -> None:
        node.is_ahead = False
        node.refused = State.CANCELLED if self.is_stopped(node) else _state_from_upstream(node)
        self.news.append(Joined(node))

    def _decide_one(self, node: Node) -> None:
        if node.is_ahead:
            self._join(node)
            return
        if self.is_stopped(node):
            self._end(node, State.CANCELLED, Values())
            return
        blocked = _state_from_upstream(node)
        if blocked is State.CANCELLED:
            self._end(node, blocked, Values())
            return
        if blocked is not None:
            self._never_started(node, blocked)
            return
        inputs = bindings.inputs(node, self.runtime)
        if node.task.condition is not None and not node.task.condition.decide(inputs.parameters):
            self._never_started(node, State.SKIPPED)
        elif node.task.loop is not None:
            self._begin_loop(node, bindings.items(node, node.task.loop, inputs))
        elif isinstance(node.component.implementation, Dag):
            self._open(Group(f"{node.path}/", node.component, inputs, node))
        else:
            self.ready.append((node, inputs))

    def _begin_loop(self, node: Node, inputs: tuple[Values, ...]) -> None:
        assert node.task.loop is not None
        inside = list(leaves(self.pipeline, node.component))
        self._tasks += len(inside) * len(inputs)
        if self._tasks > _TASKS:
            raise ParameterError(f"{node.path}: {len(inputs)} iterations bring the run to more than {_TASKS} tasks")
        self.news.append(Opened(node.path, node.task, node.component, is_begun=True))
        self.news.extend(
            Opened(f"{node.path}[{index}]/{path}", task, inner)
            for index in range(len(inputs))
            for path, task, inner in inside
        )
        node.iterations = Iterations(inputs, deque(range(len(inputs))))
        self._begin_iterations(node, node.iterations)

    def _begin_iterations(self, node: Node, loop: Iterations) -> None:
        """Begin as many iterations as may be under way; end the loop when all have ended."""
        assert node.task.loop is not None
        if self.is_stopped(node):
            loop.waiting.clear()
        while loop.waiting and (not node.task.loop.limit or loop.open < node.task.loop.limit):
            index = loop.waiting.popleft()
            loop.open += 1
            loop.groups[index] = self._open(
                Group(f"{node.path}[{index}]/", node.component, loop.inputs[index], node, index)
            )
        if loop.open:
            return
        groups = [loop.groups[index] for index in sorted(loop.groups)]
        states = {group.state for group in groups}
        state = _overall(states if len(groups) == len(loop.inputs) else {*states, State.CANCELLED})
        outputs = Values()
        if state is State.SUCCEEDED:
            outputs = bindings.collected(groups) if groups else bindings.nothing_collected(node)
        self.news.append(Ended(node.path, state))
        self._end(node, state, outputs, _first_error(*groups))

    def _never_started(self, node: Node, state: State, error: str = "") -> None:
        if isinstance(node.component.implementation, Dag) and node.task.loop is None:
            below = State.UPSTREAM_FAILED if state is State.FAILED else state
            self.news.extend(
                Ended(path, below) for path, _, _ in leaves(self.pipeline, node.component, f"{node.path}/")
            )
            if error:
                self.error = self.error or f"{node.path}: {error}"
        else:
            self.news.append(Ended(node.path, state, error))
        self._end(node, state, Values(), error)

    def _end(self, node: Node, state: State, outputs: Values, error: str = "") -> None:
        node.state, node.outputs, node.error = state, outputs, error
        for consumer in node.consumers:
            consumer.missing -= 1
            if not consumer.missing:
                self._decide.append(consumer)
            else:
                self._hand_out_ahead(consumer)
        group = node.group
        if group.parent is not None and node.ran:
            group.parent.ran = True
        group.open -= 1
        if not group.open:
            self._close(group)

    def _close(self, group: Group) -> None:
        group.state = _overall({node.state for node in group.nodes.values()})
        group.outputs = bindings.outputs(group) if group.state is State.SUCCEEDED else Values()
        node = group.parent
        if node is None:
            self.state, self.outputs = group.state, group.outputs
        elif node.iterations is not None:
            node.iterations.open -= 1
            self._begin_iterations(node, node.iterations)
        elif group.state is State.FAILED and node.failures < node.task.retry.count and not self.is_stopped(node):
            node.failures += 1
            self._resting[node] = group
            self.news.append(Delayed(node, node.task.retry.delay(node.failures)))
        else:
            self._end(node, group.state, group.outputs, _first_error(group))


def _state_from_upstream(node: Node) -> State | None:
    """Return what becomes of a task that cannot run because of how its upstream ended; None when it can."""
    states = {node.group.nodes[name].state for name in node.task.upstream}
    if node.task.always:
        return None
    if State.CANCELLED in states:
        return State.CANCELLED
    if states & _BAD:
        return State.UPSTREAM_FAILED
    return State.SKIPPED if State.SKIPPED in states else None


def _overall(states: set[State]) -> State:
    if State.CANCELLED in states:
        return State.CANCELLED
    return State.FAILED if states & _BAD else State.SUCCEEDED


def _first_error(*groups: Group) -> str:
    """Return in one line what went wrong first in a group."""
    for node in (node for group in groups for node in group.nodes.values()):
        if node.error and node.state is not State.SUCCEEDED:
            return (
                f"{node.path}: {node.error.splitlines()[0]}"
                if not isinstance(node.component.implementation, Dag)
                else node.error
            )
    return ""
