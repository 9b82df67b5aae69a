"""What a component wants to be installed: nothing is installed for it, so the environment must have it."""

from collections.abc import Mapping
from importlib.metadata import distributions
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion

from localrun.environments.docker import DockerEnvironment
from localrun.environments.environment import Environment, stands_for
from localrun.errors import UnsupportedPipeline
from localrun.spec.pipeline import Pipeline


def check_requirements(pipeline: Pipeline, environments: Mapping[str, Environment]) -> list[str]:
    """Return what `packages_to_install` wants otherwise than its image's environment has it.

    Raises UnsupportedPipeline for the first package that is not there at all.
    """
    known: dict[Path, dict[str, str]] = {}
    otherwise: dict[str, None] = {}
    commands = pipeline.containers
    for name, image in pipeline.images:
        environment = stands_for(image, environments)
        if isinstance(environment, DockerEnvironment):  # a container installs what it wants
            continue
        python = Path(environment.python)
        if commands[name].requires and python not in known:
            known[python] = _installed(python)
        for text in commands[name].requires:
            missing, problem = _problem(text, known[python])
            where = f"component {name}: packages_to_install={text!r}"
            if missing:
                raise UnsupportedPipeline(
                    f"{where} is not supported: {problem}; install it into the environment of {image!r}"
                )
            if problem:
                otherwise[f"{where}: {problem}"] = None
    return list(otherwise)


def _installed(python: Path) -> dict[str, str]:
    """Names and versions of what an interpreter has, read from the folders beside it: starting it would take longer."""
    folders = [str(path) for path in python.absolute().parent.parent.glob("lib/python3*/site-packages")]
    return {
        canonicalize_name(found.metadata["Name"]): found.version
        for found in distributions(path=folders)
        if found.metadata["Name"]
    }


def _problem(text: str, installed: Mapping[str, str]) -> tuple[bool, str]:
    """Return whether a package is missing, and why a requirement is not met; nothing where it is."""
    try:
        wanted = Requirement(text)
        if wanted.marker is not None and not wanted.marker.evaluate():
            return False, ""
        got = installed.get(canonicalize_name(wanted.name))
        if got is None:
            return True, f"{wanted.name} is not installed"
        if wanted.url or not wanted.specifier.contains(got, prereleases=True):
            return False, f"{wanted.name} {got} is installed"
    except (InvalidRequirement, InvalidVersion):
        return False, "only names of packages with versions can be checked"
    return False, ""
