"""What is known of the tasks before a run begins: the values that come from its parameters and from constants."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from localrun.errors import LocalrunError, UnsupportedPipeline
from localrun.spec.parameters import select
from localrun.spec.pipeline import Component, Constant, Container, Dag, FromInput, Importer, Pipeline, Task
from localrun.spec.placeholders import fill_data, texts

Values = tuple[Any, ...] | None
"""All values that a parameter may have; None where a task decides."""

_INPUT = re.compile(r"\{\{\$\.inputs\.parameters\[['\"]+([\w-]+)['\"]+\]\}\}")
_MOST = 1000
"""Combinations; beyond, a value counts as unknown."""


@dataclass(frozen=True)
class _Foreseen:
    path: str
    component: Component
    inputs: Mapping[str, Values]


def with_images(pipeline: Pipeline, parameters: Mapping[str, Any]) -> Pipeline:
    """Return the pipeline with the images that its parameters choose, for tasks whose image is one.

    Raises UnsupportedPipeline for an image that a task would choose.
    """
    if not any(command.has_open_image for command in pipeline.containers.values()):
        return pipeline
    chosen: dict[tuple[str, str], None] = {}
    for found in _foreseen(pipeline, parameters):
        command = found.component.implementation
        if not isinstance(command, Container) or not command.has_open_image:
            continue
        images = _filled(command.image, found.inputs)
        if images is None or not all(isinstance(image, str) and image for image in images):
            raise UnsupportedPipeline(
                f"{found.path}: its image {command.image!r} is known only when other tasks have run; "
                "give it as a parameter of the pipeline"
            )
        chosen |= {(found.component.name, image): None for image in images}
    return replace(pipeline, chosen=tuple(chosen))


def check_importers(pipeline: Pipeline, parameters: Mapping[str, Any]) -> None:
    """Raise UnsupportedPipeline for an importer whose address is remote, if the address is known before the run."""
    if not any(isinstance(component.implementation, Importer) for component in pipeline.components.values()):
        return
    for found in _foreseen(pipeline, parameters):
        if isinstance(found.component.implementation, Importer):
            for address in found.inputs.get("uri") or ():
                check_address(address, found.path)


def check_address(address: object, where: str) -> None:
    """Raise UnsupportedPipeline for an address that is not on this machine."""
    if isinstance(address, str) and "://" in address and not address.startswith("file://"):
        raise UnsupportedPipeline(
            f"{where}: importing {address!r} is not supported; wanted a path or file:// on this machine"
        )


def _foreseen(pipeline: Pipeline, parameters: Mapping[str, Any]) -> Iterator[_Foreseen]:
    known: dict[str, Values] = {name: (value,) for name, value in parameters.items()}
    yield from _in_group(pipeline, pipeline.root, known, "")


def _in_group(
    pipeline: Pipeline, component: Component, known: Mapping[str, Values], prefix: str
) -> Iterator[_Foreseen]:
    assert isinstance(component.implementation, Dag)
    for name, task in component.implementation.tasks.items():
        inner = pipeline.components[task.component]
        inputs = _inputs(task, inner, known)
        if isinstance(inner.implementation, Dag):
            yield from _in_group(pipeline, inner, inputs, f"{prefix}{name}/")
        else:
            yield _Foreseen(f"{prefix}{name}", inner, inputs)


def _inputs(task: Task, component: Component, known: Mapping[str, Values]) -> dict[str, Values]:
    found: dict[str, Values] = {
        name: (definition.default,) for name, definition in component.input_parameters.items() if definition.has_default
    }
    later = {}
    for name, source in task.parameters.items():
        if isinstance(source, FromInput):
            found[name] = _parts(known.get(source.name), source.fields)
        elif isinstance(source, Constant):
            later[name] = source.value
        else:
            found[name] = None
    for name, value in later.items():
        found[name] = _filled(value, found)
    if task.loop is not None:
        found[task.loop.item] = _items(task, found)
    return found


def _items(task: Task, inputs: Mapping[str, Values]) -> Values:
    assert task.loop is not None
    if not task.loop.source:
        return task.loop.constants
    lists = None if task.loop.of_artifacts else inputs.get(task.loop.source)
    if lists is None:
        return None
    try:
        read = [json.loads(found) if isinstance(found, str) else found for found in lists]
    except ValueError:
        return None
    return tuple(item for found in read if isinstance(found, list) for item in found)


def _parts(values: Values, fields: Sequence[str]) -> Values:
    if values is None or not fields:
        return values
    try:
        return tuple(select(value, fields, "") for value in values)
    except LocalrunError:
        return None


def _filled(value: Any, inputs: Mapping[str, Values]) -> Values:
    """Return what a value comes to with the placeholders in it; None where one of them is unknown."""
    names = sorted({name for text in texts(value) for name in _INPUT.findall(text)})
    if any("{{$" in _INPUT.sub("", text) for text in texts(value)):
        return None
    options = [inputs.get(name) for name in names]
    known = [option for option in options if option is not None]
    if len(known) < len(options):
        return None
    combinations = list(product(*known))[:_MOST]
    return tuple(
        fill_data(value, {"inputs": {"parameterValues": dict(zip(names, one, strict=True)), "artifacts": {}}}, {})
        for one in combinations
    )
