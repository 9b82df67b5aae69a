"""Reads a compiled pipeline as a flat list of steps, each with everything that decides what it does."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from core import digest
from core.errors import UsageError

IMAGE, CONDITION, WAITS = "image", "condition", "waits for"
_CHANNEL = re.compile(r"inputs\.parameter_values\['([^']+)'\]")
_OUTPUTS = {"taskOutputParameter": "outputParameterKey", "taskOutputArtifact": "outputArtifactKey"}
_TIME_LIMIT = "activeDeadlineSeconds"
_LAUNCHER = frozenset({"--executor_input", "{{$}}", "--component_module_path"})
"""Arguments that kfp writes for every step of its own."""


@dataclass(frozen=True)
class Step:
    """One step, however deep it lies in conditions and loops."""

    path: str
    """Its name behind those of the groups that it is in, such as `blessed/servable/push-model`."""
    aspects: Mapping[str, Any]
    """What decides what it does, by a name for people: `image`, `parameter config.epochs`, `waits for`."""

    @property
    def name(self) -> str:
        """The path's last part."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class Compiled:
    """A compiled pipeline."""

    name: str
    digest: str
    """Of the file's bytes."""
    aspects: Mapping[str, Any]
    """Of the pipeline as a whole: its inputs and the compiler."""
    steps: tuple[Step, ...]
    meaning: str
    """Digest of everything in the file but descriptions; a change of it that no aspect shows is still a change."""


def read(path: Path) -> Compiled:
    """Read a file that `mlops compile` wrote; UsageError, which names the file, for anything else."""
    try:
        content = path.read_bytes()
        return compiled_of([one for one in yaml.load_all(content, Loader=yaml.CSafeLoader) if one is not None], content)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; write it with `mlops compile`") from None
    except (AttributeError, LookupError, TypeError, ValueError, yaml.YAMLError) as error:
        problem = f"{type(error).__name__}: {str(error)[:200]}"
        raise UsageError(f"{path}: wanted a pipeline that `mlops compile` wrote, got {problem}") from None


def compiled_of(documents: Sequence[Any], content: bytes) -> Compiled:
    """Read the documents of a compiled pipeline; errors of many kinds for those of anything else."""
    spec, *platforms = documents
    reader = _Reader(spec, platforms[0] if platforms else {})
    aspects = {"compiler": spec.get("sdkVersion", ""), **_interface("input", spec["root"].get("inputDefinitions", {}))}
    meaning = json.dumps(_without_descriptions(documents), sort_keys=True)
    return Compiled(
        spec["pipelineInfo"]["name"],
        digest.of_bytes(content),
        aspects,
        tuple(reader.steps(spec["root"]["dag"]["tasks"], _Place())),
        digest.of_bytes(meaning.encode()),
    )


@dataclass(frozen=True)
class _Place:
    """The groups around some tasks, and what their inputs stand for."""

    path: str = ""
    channels: Mapping[str, str] = field(default_factory=dict)
    conditions: tuple[str, ...] = ()


class _Reader:
    """Walks the groups of one compiled pipeline."""

    def __init__(self, spec: Mapping[str, Any], platform: Mapping[str, Any]) -> None:
        self._components = spec["components"]
        self._executors = spec["deploymentSpec"]["executors"]
        kubernetes = platform.get("platforms", {}).get("kubernetes", {})
        self._platform = kubernetes.get("deploymentSpec", {}).get("executors", {})

    def steps(self, tasks: Mapping[str, Any], place: _Place) -> Iterator[Step]:
        """Yield the steps of a group and of the groups in it, in the file's order."""
        names = {key: task.get("taskInfo", {}).get("name", key) for key, task in tasks.items()}
        for key, task in tasks.items():
            component = self._components[task["componentRef"]["name"]]
            sources = _sources(task, place.channels, names)
            condition = _condition(task, sources)
            inner = _Place(f"{place.path}{names[key]}/", sources, (*place.conditions, *condition))
            if "dag" in component:
                yield from self.steps(component["dag"]["tasks"], inner)
                continue
            waits = sorted(names[other] for other in task.get("dependentTasks", ()))
            aspects = {
                **self._executor(component["executorLabel"]),
                **_interface("input", component.get("inputDefinitions", {})),
                **_interface("output", component.get("outputDefinitions", {})),
                **_given(task, sources),
                "cache": task.get("cachingOptions", {}).get("enableCache", False),
                **({WAITS: ", ".join(waits)} if waits else {}),
                **({CONDITION: " and ".join(inner.conditions)} if inner.conditions else {}),
                **flat("retries", task.get("retryPolicy", {})),
            }
            yield Step(f"{place.path}{names[key]}", aspects)

    def _executor(self, label: str) -> dict[str, Any]:
        executor = self._executors[label]
        container = dict(executor.get("container", executor))
        arguments = [one for one in container.pop("args", ()) if one not in _LAUNCHER]
        limits = dict(self._platform.get(label, {}))
        resources = container.pop("resources", {})
        # kfp writes each amount twice; its text says what was asked for.
        texts = {
            key: value for key, value in resources.items() if f"resource{key[:1].upper()}{key[1:]}" not in resources
        }
        return {
            IMAGE: container.pop("image", ""),
            "time limit in seconds": limits.pop(_TIME_LIMIT, ""),
            **flat("arguments", arguments),
            **flat("resources", texts),
            **flat("container", container),
            **flat("platform", limits),
        }


def flat(name: str, value: Any) -> dict[str, Any]:
    """Return the leaves of a nested value by dotted names; items of a list of named things by their names."""
    if isinstance(value, Mapping) and value:
        pairs = [(f"{name}.{key}", item) for key, item in value.items()]
    elif isinstance(value, Sequence) and not isinstance(value, str) and _are_mappings(value):
        keys = [item.get("name") for item in value]
        are_names = all(isinstance(key, str) for key in keys) and len(set(keys)) == len(keys)
        pairs = [(f"{name}[{keys[index] if are_names else index}]", item) for index, item in enumerate(value)]
    else:
        return {} if value in ({}, []) else {name: value}
    leaves: dict[str, Any] = {}
    for key, item in pairs:
        leaves |= flat(key, item)
    return leaves


def _are_mappings(value: Sequence[Any]) -> bool:
    return bool(value) and all(isinstance(item, Mapping) and item for item in value)


def _sources(task: Mapping[str, Any], channels: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    """Return where each input of a task comes from, in words; constants are left out."""
    found = {}
    inputs = task.get("inputs", {})
    for key, given in [*inputs.get("parameters", {}).items(), *inputs.get("artifacts", {}).items()]:
        for form in ("componentInputParameter", "componentInputArtifact"):
            if form in given:
                found[key] = channels.get(given[form], f"the pipeline's input {given[form]}")
        for form, output in (
            ("taskOutputParameter", "outputParameterKey"),
            ("taskOutputArtifact", "outputArtifactKey"),
        ):
            if form in given:
                producer = given[form]["producerTask"]
                found[key] = f"{names.get(producer, producer)}'s output {given[form][output]}"
    return found


def _condition(task: Mapping[str, Any], sources: Mapping[str, str]) -> tuple[str, ...]:
    """Return the condition or the loop of a group in words, if it has one."""
    written = task.get("triggerPolicy", {}).get("condition")
    loop = task.get("parameterIterator") or task.get("artifactIterator")
    found = []
    if written is not None:
        found.append(_CHANNEL.sub(lambda match: sources.get(match[1], match[1]), written))
    if loop is not None:
        items = loop.get("items", {})
        found.append(f"for each of {sources.get(items.get('inputParameter', ''), items)}")
    return tuple(found)


def _given(task: Mapping[str, Any], sources: Mapping[str, str]) -> dict[str, Any]:
    """Return what a step's parameters and artifacts are set to."""
    found: dict[str, Any] = {}
    inputs = task.get("inputs", {})
    for key, given in inputs.get("parameters", {}).items():
        if key in sources:
            found[f"parameter {key}"] = sources[key]
        else:
            found |= flat(f"parameter {key}", given.get("runtimeValue", {}).get("constant", given))
    for key, given in inputs.get("artifacts", {}).items():
        found[f"artifact {key}"] = str(sources.get(key, given))
    return found


def _interface(side: str, definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Return the types of inputs or outputs; descriptions are for people and decide nothing."""
    found: dict[str, Any] = {}
    for key, one in definitions.get("parameters", {}).items():
        default = f", default {json.dumps(one['defaultValue'])}" if "defaultValue" in one else ""
        found[f"{side} {key}"] = f"{one['parameterType']}{default}{_optional(one)}"
    for key, one in definitions.get("artifacts", {}).items():
        found[f"{side} {key}"] = f"{one.get('artifactType', {}).get('schemaTitle', 'artifact')}{_optional(one)}"
    return found


def _optional(definition: Mapping[str, Any]) -> str:
    return ", optional" if definition.get("isOptional") else ""


def _without_descriptions(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_descriptions(item) for item in value]
    if isinstance(value, dict):
        return {key: _without_descriptions(one) for key, one in value.items() if not _is_description(key, one)}
    return value


def _is_description(key: str, value: Any) -> bool:
    """Whether it is a description, and not a thing of that name such as an input."""
    return key == "description" and isinstance(value, str)
