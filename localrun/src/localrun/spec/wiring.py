"""Checks a loaded pipeline as a graph: every reference leads somewhere, nothing leads back to itself."""

import re
from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter

from localrun.errors import InvalidPipeline, UnsupportedPipeline, nearest
from localrun.spec.executors import check_placeholders
from localrun.spec.pipeline import Component, Dag, FinalStatus, FromInput, FromTask, Pipeline, Task
from localrun.spec.placeholders import texts

_ITEM = re.compile(r"(^|-)loop-item(-|$)")
_DEPTH = 32
_TASKS = 100_000


def check_wiring(pipeline: Pipeline) -> None:
    """Raise InvalidPipeline for a dangling reference, a cycle, or too many tasks, with its place."""
    if not isinstance(pipeline.root.implementation, Dag):
        raise InvalidPipeline("root: wanted a dag")
    sizes: dict[str, int] = {}
    _check_component(pipeline, pipeline.root, (), sizes)


def _check_component(pipeline: Pipeline, component: Component, above: tuple[str, ...], sizes: dict[str, int]) -> int:
    """Return how many tasks a component comes to; each component is checked once, however often it is used."""
    dag = component.implementation
    if not isinstance(dag, Dag):
        return 1
    if component.name in above or len(above) > _DEPTH:
        raise InvalidPipeline(f"{component.name}: contains itself, or groups are nested deeper than {_DEPTH}")
    if component.name in sizes:
        return sizes[component.name]
    for task in dag.tasks.values():
        _check_task(pipeline, component, dag, task)
    try:
        TopologicalSorter({name: task.upstream for name, task in dag.tasks.items()}).prepare()
    except CycleError as error:
        raise InvalidPipeline(f"{component.name}: tasks wait for each other: {' -> '.join(error.args[1])}") from error
    inner = (pipeline.components[task.component] for task in dag.tasks.values())
    size = sum(_check_component(pipeline, c, (*above, component.name), sizes) for c in inner)
    if size > _TASKS:
        raise InvalidPipeline(f"{component.name}: comes to {size} tasks; wanted at most {_TASKS}")
    _check_outputs(pipeline, component, dag)
    sizes[component.name] = size
    return size


def _check_task(pipeline: Pipeline, parent: Component, dag: Dag, task: Task) -> None:
    where = f"{parent.name}.tasks.{task.name}"
    if task.component not in pipeline.components:
        raise InvalidPipeline(
            f"{where}.componentRef: no component {task.component!r}{nearest(task.component, pipeline.components)}"
        )
    _known(task.upstream, dag.tasks, f"{where}: waits for a task of its group")
    component = pipeline.components[task.component]
    _check_leaks(parent, task, where)
    if task.loop is not None:
        _check_loop(task, component, where)
    if task.condition is not None:
        _known(task.condition.parameters, task.parameters, f"{where}.triggerPolicy")
    _check_parameters(pipeline, parent, task, f"{where}.inputs.parameters")
    for key, source in task.artifacts.items():
        place = f"{where}.inputs.artifacts.{key}"
        _known([key], component.input_artifacts, place)
        if isinstance(source, FromInput):
            _known([source.name], parent.input_artifacts, place)
        else:
            _known([source.key], _producer(pipeline, dag, source).output_artifacts, place)


def _check_leaks(parent: Component, task: Task, where: str) -> None:
    """Name a fault of kfp's compiler: it asks a group for the item of a loop that the group is not in."""
    for key, source in task.parameters.items():
        if isinstance(source, FromInput) and _ITEM.search(source.name) and source.name not in parent.input_parameters:
            raise InvalidPipeline(
                f"{where}.inputs.parameters.{key}: kfp's compiler hands the item of a ParallelFor to a group outside "
                "of the loop (kubeflow/pipelines#13273), and a cluster fails on that, too; put the loop with all that "
                "is in it into a @dsl.pipeline of its own and call that in its place, and give a field of an item to a "
                "task as an input, not in an f-string"
            )


def _check_loop(task: Task, component: Component, where: str) -> None:
    assert task.loop is not None
    if not isinstance(component.implementation, Dag):
        raise UnsupportedPipeline(f"{where}: a loop over {component.name!r}, which is no group, is not supported")
    if not component.implementation.tasks:
        raise InvalidPipeline(f"{where}: a loop over {component.name!r}, which has no tasks")
    loop = task.loop
    _known(
        [loop.item],
        component.input_artifacts if loop.of_artifacts else component.input_parameters,
        f"{where}: the loop's itemInput",
    )
    if loop.source or loop.of_artifacts:
        _known([loop.source], task.artifacts if loop.of_artifacts else task.parameters, f"{where}: the loop's items")


def _check_parameters(pipeline: Pipeline, parent: Component, task: Task, where: str) -> None:
    assert isinstance(parent.implementation, Dag)
    for key, source in task.parameters.items():
        place = f"{where}.{key}"
        if isinstance(source, FromInput):
            _known([source.name], parent.input_parameters, place)
        elif isinstance(source, FromTask):
            _known([source.key], _producer(pipeline, parent.implementation, source).output_parameters, place)
        elif isinstance(source, FinalStatus):
            _known([source.task], parent.implementation.tasks, place)
        else:
            for text in texts(source.value):
                check_placeholders(text, place)


def _check_outputs(pipeline: Pipeline, component: Component, dag: Dag) -> None:
    for key, selectors in {**dag.parameters, **dag.artifacts}.items():
        for selector in selectors:
            place = f"{component.name}.outputs.{key}"
            _known([selector.task], dag.tasks, place)
            producer = _producer(pipeline, dag, selector)
            _known([selector.key], {**producer.output_parameters, **producer.output_artifacts}, place)
    for key in (*component.output_parameters, *component.output_artifacts):
        _known([key], {**dag.parameters, **dag.artifacts}, f"{component.name}.outputDefinitions")


def _producer(pipeline: Pipeline, dag: Dag, source: FromTask) -> Component:
    return pipeline.components[dag.tasks[source.task].component]


def _known(names: Iterable[str], known: Iterable[str], where: str) -> None:
    known = frozenset(known)
    for name in names:
        if name not in known:
            raise InvalidPipeline(f"{where}: refers to {name!r}, which does not exist{nearest(name, known)}")
