"""The key under which a task's result is kept: everything that may change the result, and nothing else."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from localrun.environments.code import CodeFinder
from localrun.environments.environment import Environment, image_name
from localrun.errors import LocalrunError
from localrun.records import Artifact, Values
from localrun.spec.pipeline import ArtifactDef, Component, Container, ParameterDef
from localrun.spec.placeholders import runtime_names
from localrun.store.codec import text

_FORMAT = 2
_SAME = frozenset({"pipeline_root", "pipeline_task_name"})
"""Placeholders that may have one value in many runs."""


@dataclass(frozen=True)
class Key:
    """A key, or why there is none: then the task runs, and its result is not used again."""

    value: str = ""
    reason: str = ""
    code: Mapping[str, str] = field(default_factory=dict)
    """The files that count as the task's code, with their digests."""

    def after(self, later: "Key") -> "Key":
        """Return the key that a result is kept under, given the key as it was computed when the task had ended."""
        if not self.value or self.value == later.value:
            return self
        changed = [
            name
            for name, digest in {**self.code, **later.code}.items()
            if self.code.get(name) != digest or later.code.get(name) != digest
        ]
        return Key(reason=later.reason or f"{', '.join(changed[:3]) or 'its environment'} changed while it ran")


def cache_key(
    component: Component, inputs: Values, environment: Environment, runtime: Mapping[str, str], finder: CodeFinder
) -> Key:
    """Return the key; without value for a task that must not be cached, because its code or an input is unknown.

    In the key: command and interface, parameters with their types, the content (never the place) of artifacts, the
    environment, the source code. Not in the key: names of tasks, runs and components, clock, order of keys.

    A key never fails a task: whatever cannot be read is the reason why there is none.
    """
    container = component.implementation
    assert isinstance(container, Container)
    if unknown := [artifact.uri for artifact in inputs.every_artifact().values() if not artifact.digest]:
        return Key(reason=f"the content of {unknown[0]} is not on this machine")
    asked = runtime_names([*container.command, *container.args])
    if varying := sorted(asked - _SAME):
        return Key(reason=f"its command asks for {varying[0]}, which differs from run to run")
    if container.secrets:
        return Key(reason="it is given a secret, of which nothing is kept")
    try:
        code = finder.find(container, inputs.parameters, environment)
        facts = {
            "format": _FORMAT,
            "image": image_name(container.image),
            "command": [*container.command, *container.args],
            "runtime": {name: runtime[name] for name in asked},
            "variables": dict(container.variables),
            "interface": _interface(component),
            "parameters": dict(inputs.parameters),
            "artifacts": {name: _content(artifact) for name, artifact in inputs.artifacts.items()},
            "lists": {name: [_content(artifact) for artifact in listed] for name, listed in inputs.lists.items()},
            "environment": environment.fingerprint(finder.digests),
            "code": code,
        }
    except (LocalrunError, OSError, ValueError) as error:
        return Key(reason=str(error))
    return Key(f"sha256:{hashlib.sha256(text(facts).encode()).hexdigest()}", code=code)


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
