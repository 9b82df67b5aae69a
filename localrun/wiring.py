"""Checks a loaded pipeline as a graph: every reference leads somewhere, nothing leads back to itself."""

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

from localrun.errors import InvalidPipeline, UnsupportedPipeline, nearest
from localrun.executors import check_placeholders
from localrun.spec import Component, Constant, Dag, FromInput, FromTask, Pipeline, Task

_DEPTH = 32


def check_wiring(pipeline: Pipeline) -> None:
    """Raise InvalidPipeline for a dangling reference or a cycle, naming the place."""
    if not isinstance(pipeline.root.implementation, Dag):
        raise InvalidPipeline("root: wanted a dag")
    _check_component(pipeline, pipeline.root, "root", ())


def _check_component(pipeline: Pipeline, component: Component, where: str, above: tuple[str, ...]) -> None:
    dag = component.implementation
    if not isinstance(dag, Dag):
        return
    if component.name in above or len(above) > _DEPTH:
        raise InvalidPipeline(f"{where}: the component {component.name!r} contains itself, or groups are nested deeper than {_DEPTH}")
    for task in dag.tasks.values():
        _check_task(pipeline, component, task, f"{where}.{task.name}")
    try:
        TopologicalSorter({name: task.upstream for name, task in dag.tasks.items()}).prepare()
    except CycleError as error:
        raise InvalidPipeline(f"{where}: tasks wait for each other: {' -> '.join(error.args[1])}") from error
    for task in dag.tasks.values():
        _check_component(pipeline, pipeline.components[task.component], f"{where}.{task.name}", (*above, component.name))
    _check_outputs(pipeline, component, dag, where)


def _check_task(pipeline: Pipeline, parent: Component, task: Task, where: str) -> None:
    assert isinstance(parent.implementation, Dag)
    tasks = parent.implementation.tasks
    if task.component not in pipeline.components:
        raise InvalidPipeline(f"{where}.componentRef: no component {task.component!r}{nearest(task.component, pipeline.components)}")
    for name in task.upstream:
        if name not in tasks:
            raise InvalidPipeline(f"{where}: waits for {name!r}, which is no task of its group{nearest(name, tasks)}")
    if isinstance(pipeline.components[task.component].implementation, Dag) and task.retry.count:
        raise UnsupportedPipeline(f"{where}.retryPolicy: retries of a whole group are not supported; set them on its tasks")
    if task.condition is not None:
        _known(task.condition.parameters, task.parameters, f"{where}.triggerPolicy")
    for key, source in task.parameters.items():
        place = f"{where}.inputs.parameters.{key}"
        if isinstance(source, FromInput):
            _known([source.name], parent.input_parameters, place)
        elif isinstance(source, FromTask):
            _known([source.key], _producer(pipeline, tasks, source).output_parameters, place)
        elif isinstance(source, Constant) and isinstance(source.value, str):
            check_placeholders(source.value, place)
    for key, artifact in task.artifacts.items():
        place = f"{where}.inputs.artifacts.{key}"
        if isinstance(artifact, FromInput):
            _known([artifact.name], parent.input_artifacts, place)
        else:
            _known([artifact.key], _producer(pipeline, tasks, artifact).output_artifacts, place)


def _check_outputs(pipeline: Pipeline, component: Component, dag: Dag, where: str) -> None:
    for key, selectors in {**dag.parameters, **dag.artifacts}.items():
        for selector in selectors:
            place = f"{where}.outputs.{key}"
            _known([selector.task], dag.tasks, place)
            producer = _producer(pipeline, dag.tasks, selector)
            _known([selector.key], {**producer.output_parameters, **producer.output_artifacts}, place)
    for key in (*component.output_parameters, *component.output_artifacts):
        _known([key], {**dag.parameters, **dag.artifacts}, f"{where}.outputDefinitions")


def _producer(pipeline: Pipeline, tasks: Mapping[str, Task], source: FromTask) -> Component:
    return pipeline.components[tasks[source.task].component]


def _known(names: Iterable[str], known: Iterable[str], where: str) -> None:
    known = list(known)
    for name in names:
        if name not in known:
            raise InvalidPipeline(f"{where}: refers to {name!r}, which is not there{nearest(name, known)}")
