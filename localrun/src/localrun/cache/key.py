"""The key under which a task's result is kept: everything that may change the result, and nothing else."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from localrun.environments.environment import Environment, image_name
from localrun.records import Artifact, Values
from localrun.spec.commands import function_name
from localrun.spec.pipeline import ArtifactDef, Component, Container, ParameterDef
from localrun.spec.placeholders import runtime_names
from localrun.store.codec import text
from localrun.store.digests import Digests

_FORMAT = 1


def cache_key(
    component: Component, inputs: Values, environment: Environment, runtime: Mapping[str, str], digests: Digests
) -> str:
    """Return the key; empty for a task that must not be cached, because its code or the content of an input is unknown.

    In the key: command and interface, parameters with their types, the content (never the place) of artifacts, the
    environment, the source code. Not in the key: names of tasks, runs and components, clock, order of keys.
    """
    container = component.implementation
    assert isinstance(container, Container)
    function = function_name(container)
    source = environment.source_fingerprint(function, digests)
    content_known = all(artifact.digest for artifact in inputs.every_artifact().values())
    if not content_known or (source is None and _code_is_outside(container)):
        return ""
    facts = {
        "format": _FORMAT,
        "image": image_name(container.image),
        "command": [*container.command, *container.args],
        "runtime": {name: runtime[name] for name in runtime_names([*container.command, *container.args])},
        "variables": dict(container.variables),
        "interface": _interface(component),
        "parameters": dict(inputs.parameters),
        "artifacts": {name: _content(artifact) for name, artifact in inputs.artifacts.items()},
        "lists": {name: [_content(artifact) for artifact in listed] for name, listed in inputs.lists.items()},
        "environment": environment.fingerprint(digests),
        "source": source,
    }
    return f"sha256:{hashlib.sha256(text(facts).encode()).hexdigest()}"


def _code_is_outside(container: Container) -> bool:
    """Whether the code that runs is not part of the pipeline itself."""
    return "ephemeral_component.py" not in " ".join(container.command)


def _interface(component: Component) -> dict[str, Any]:
    sides: dict[str, Mapping[str, ParameterDef] | Mapping[str, ArtifactDef]] = {
        "input_parameters": component.input_parameters,
        "input_artifacts": component.input_artifacts,
        "output_parameters": component.output_parameters,
        "output_artifacts": component.output_artifacts,
    }
    return {side: {name: _definition(d) for name, d in definitions.items()} for side, definitions in sides.items()}


def _definition(definition: ParameterDef | ArtifactDef) -> dict[str, Any]:
    return asdict(definition)


def _content(artifact: Artifact) -> list[Any]:
    return [artifact.name, artifact.type, artifact.version, artifact.digest, dict(artifact.metadata)]
