"""Tasks that may come next while others run, with what is known of their inputs already."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

from localrun.errors import LocalrunError
from localrun.graph import bindings
from localrun.graph.nodes import Group, Node
from localrun.records import State, Values
from localrun.spec import placeholders
from localrun.spec.commands import function_name
from localrun.spec.pipeline import Constant, Container, Dag, FinalStatus, FromInput, FromTask, ParameterSource, Pipeline


class Coming(NamedTuple):
    """A task that may come next."""

    container: Container
    known: Values
    """Those of its inputs that do not wait for a task any more."""


class Foresight(NamedTuple):
    """What is known of a run beside its graph."""

    pipeline: Pipeline
    runtime: Mapping[str, str]
    ahead: Collection[str]
    """Functions of which a task waits only for those that it takes something from."""

    def following(self, node: Node, running: Collection[Node]) -> Iterator[Coming]:
        """Yield what may come after a task that has started, if all conditions hold.

        Whoever waits for a task that has not started comes after that one. `running` are the tasks that run.
        """
        under_way = {one for start in running for one in _with_groups(start)}
        for consumer in node.consumers:
            command = consumer.component.implementation
            is_ahead = isinstance(command, Container) and function_name(command) in self.ahead
            waits_for = consumer.task.sources if is_ahead else consumer.task.upstream
            tasks = [consumer.group.nodes[name] for name in waits_for]
            is_next = all(one.state is not State.PENDING or one in under_way for one in tasks)
            if is_next and consumer not in under_way:
                yield from self._beginning(consumer)
        if not node.consumers and node.group.parent is not None:
            yield from self.following(node.group.parent, running)

    def _beginning(self, node: Node) -> Iterator[Coming]:
        """Yield a task, or those that a group begins with."""
        command, known = node.component.implementation, Values()
        with suppress(LocalrunError):  # a fault of its inputs is for its turn
            known = _known(node, self.runtime)
        if isinstance(command, Container):
            yield Coming(command, known)
        elif isinstance(command, Dag):
            group = Group(f"{node.path}/", node.component, known, node)
            for name, task in command.tasks.items():
                if not task.upstream:
                    inner = self.pipeline.components[task.component]
                    yield from self._beginning(Node(task, inner, f"{group.path}{name}", group, 0, node.cacheable))


def _with_groups(node: Node) -> Iterator[Node]:
    """Yield a task and the groups that it is in."""
    yield node
    if node.group.parent is not None:
        yield from _with_groups(node.group.parent)


def _known(node: Node, runtime: Mapping[str, str]) -> Values:
    """Return the inputs of a task that are known; LocalrunError as `bindings.inputs` raises it."""
    task, component, given = node.task, node.component, node.group.inputs

    def is_known(source: object) -> bool:
        if isinstance(source, FromTask | FinalStatus):
            return node.group.nodes[source.task].state is State.SUCCEEDED
        return not isinstance(source, FromInput) or any(
            source.name in values for values in (given.parameters, given.artifacts, given.lists)
        )

    parameters = {key: source for key, source in task.parameters.items() if is_known(source)}
    unknown = task.parameters.keys() - parameters.keys()
    parameters = {key: source for key, source in parameters.items() if not _names_any(source, unknown)}
    artifacts = {key: source for key, source in task.artifacts.items() if is_known(source)}
    awaited = task.parameters.keys() - parameters.keys()
    declared = {key: value for key, value in component.input_parameters.items() if key not in awaited}
    reduced = replace(task, parameters=parameters, artifacts=artifacts)
    return bindings.inputs(
        replace(node, task=reduced, component=replace(component, input_parameters=declared)), runtime
    )


def _names_any(source: ParameterSource, inputs: Collection[str]) -> bool:
    """Whether a constant has a placeholder for any of some inputs."""
    found = placeholders.inside(source.value) if isinstance(source, Constant) and inputs else ()
    return any(not inner or any(name in inner for name in inputs) for inner in found)
