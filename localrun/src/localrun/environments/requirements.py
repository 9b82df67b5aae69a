"""What a component wants to be installed: nothing is installed for it, so the environment must have it."""

from collections.abc import Mapping
from importlib.metadata import distributions
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion

from localrun.environments.docker import DockerEnvironment
from localrun.environments.environment import Environment, image_name
from localrun.errors import UnsupportedPipeline
from localrun.spec.pipeline import Container, Pipeline


def check_requirements(pipeline: Pipeline, environments: Mapping[str, Environment]) -> None:
    """Raise UnsupportedPipeline for the first of `packages_to_install` that its image's environment lacks."""
    known: dict[Path, dict[str, str]] = {}
    for name, component in pipeline.components.items():
        container = component.implementation
        if not isinstance(container, Container) or not container.requires:
            continue
        environment = environments[image_name(container.image)]
        if isinstance(environment, DockerEnvironment):  # a container installs what it wants
            continue
        python = Path(environment.python)
        if python not in known:
            known[python] = _installed(python)
        for text in container.requires:
            problem = _missing(text, known[python])
            if problem:
                raise UnsupportedPipeline(
                    f"component {name}: packages_to_install={text!r} is not supported: {problem}; "
                    f"install it into the environment of {container.image!r}"
                )


def _installed(python: Path) -> dict[str, str]:
    """Names and versions of what an interpreter has, read from the folders beside it: starting it would take longer."""
    folders = [str(path) for path in python.absolute().parent.parent.glob("lib/python3*/site-packages")]
    return {
        canonicalize_name(found.metadata["Name"]): found.version
        for found in distributions(path=folders)
        if found.metadata["Name"]
    }


def _missing(text: str, installed: Mapping[str, str]) -> str:
    """Say why a requirement is not met, or nothing."""
    try:
        wanted = Requirement(text)
        if wanted.marker is not None and not wanted.marker.evaluate():
            return ""
        got = installed.get(canonicalize_name(wanted.name))
        if got is None:
            return f"{wanted.name} is not installed"
        if wanted.url or not wanted.specifier.contains(got, prereleases=True):
            return f"{wanted.name} {got} is installed"
    except (InvalidRequirement, InvalidVersion):
        return "only names of packages with versions can be checked"
    return ""
