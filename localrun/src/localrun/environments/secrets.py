"""Variables and files of this machine in the place of a cluster's secrets: handed to the tasks that ask, never kept."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from localrun.environments.environment import Environment, image_name
from localrun.errors import UnsupportedPipeline
from localrun.spec.pipeline import Container, Pipeline, Secret


def with_secrets(pipeline: Pipeline, environments: Mapping[str, Environment]) -> dict[str, Environment]:
    """Return the environments with the variables that their tasks ask for.

    Raises UnsupportedPipeline for the first variable or file that is not here, unless the pipeline can do without.
    """
    found = dict(environments)
    commands = pipeline.containers
    for component, image in pipeline.images:
        for secret in commands[component].secrets:
            _check(secret, component)
        name = image if image in found else image_name(image)
        passed = {*found[name].passed, *secret_variables(commands[component])}
        found[name] = replace(found[name], passed=tuple(sorted(passed)))
    return found


def secret_variables(command: Container) -> list[str]:
    """Return the names of the variables that a command gets from secrets."""
    return [secret.variable for secret in command.secrets if secret.variable]


def _check(secret: Secret, component: str) -> None:
    here = secret.variable in os.environ if secret.variable else Path(secret.path).exists()
    if not here and not secret.optional:
        what = f"set the variable {secret.variable}" if secret.variable else f"put its files below {secret.path}"
        raise UnsupportedPipeline(f"component {component}: the secret {secret.name} is not on this machine; {what}")
