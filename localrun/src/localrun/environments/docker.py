"""Runs the command of an image in a container, where no local environment stands for it and Docker is running.

The command line is built here and started like that of any other program.
"""

import csv
import io
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from localrun.environments.environment import Environment, image_name
from localrun.spec.pipeline import Pipeline
from localrun.store.digests import Digests

_SECONDS = 10


@dataclass(frozen=True)
class Program:
    """What a container runs: without a command it is the image's own entrypoint, without both also its arguments."""

    command: Sequence[str]
    args: Sequence[str]
    variables: Mapping[str, str]
    passed: Sequence[str] = ()
    """Variables that the container gets from the process that starts it, so that no value stands in its command."""


@dataclass(frozen=True)
class DockerEnvironment(Environment):
    """The image itself instead of a counterpart; a task sees its inputs and outputs at their paths, nothing else."""

    image: str = ""
    writable: tuple[Path, ...] = ()
    """What every task may write to beside its outputs."""
    readable: tuple[Path, ...] = ()
    """What every task may read beside its inputs."""
    options: tuple[str, ...] = ()
    """Further arguments of `docker run`."""

    @property
    def has_entrypoint(self) -> bool:
        """The engine knows it."""
        return True

    def command(self, name: str, program: Program, readable: Sequence[Path], writable: Sequence[Path]) -> list[str]:
        """Return the command line that runs a program in a new container `name`, which is removed when it ends."""
        mounts = [_mount(path, "readonly") for path in (*self.readable, *readable)] + [
            _mount(path) for path in (*self.writable, *writable)
        ]
        settings = [f"{key}={value}" for key, value in {"HOME": "/tmp", **program.variables}.items()]  # noqa: S108 - the container's own
        arguments = [
            "docker",
            "run",
            "--rm",
            "--init",
            "--name",
            name,
            "--user",
            f"{os.getuid()}:{os.getgid()}",
            *self.options,
        ]
        arguments += [word for mount in dict.fromkeys(mounts) for word in ("--mount", mount)]
        arguments += [word for setting in (*settings, *program.passed) for word in ("--env", setting)]
        entry = ["--entrypoint", program.command[0]] if program.command else []
        return [*arguments, *entry, self.image, *program.command[1:], *program.args]

    def fingerprint(self, digests: Digests) -> dict[str, object]:
        """Describe the image by the digest of its content: a tag can move."""
        return {"docker": self.content(digests), "reference": self.image}

    def content(self, digests: Digests) -> str:
        """Return the digest of the image's content; empty while it is not on this machine."""
        return digests.once(f"image {self.image}", lambda: image_id(self.image))


def with_containers(pipeline: Pipeline, environments: Mapping[str, Environment]) -> dict[str, Environment]:
    """Return the environments, with the image itself for every image that has none, if Docker is running."""
    missing = {image for _, image in pipeline.images if image_name(image) not in environments}
    if not missing or not has_engine():
        return dict(environments)
    return {**environments, **{image: DockerEnvironment(cwd=Path("/"), image=image) for image in missing}}


def has_engine() -> bool:
    """Whether a container could be started."""
    return bool(_ask("version", "--format", "{{.Server.Version}}"))


def image_id(image: str) -> str:
    """Return the digest of an image's content, or nothing where the image is not on this machine."""
    return _ask("image", "inspect", "--format", "{{.Id}}", image)


def removal(name: str) -> list[str]:
    """Return the command line that ends a container; killing the `docker run` that started it does not."""
    return ["docker", "rm", "--force", name]


def _mount(path: Path, *settings: str) -> str:
    """Write a bind mount as docker reads it; unlike `--volume` it never makes a missing folder."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(["type=bind", f"source={path}", f"target={path}", *settings])
    return line.getvalue()


def _ask(*arguments: str) -> str:
    program = shutil.which("docker")
    if program is None:
        return ""
    try:
        answer = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=_SECONDS, check=False)  # noqa: S603 - no word comes from outside but an image's name
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""
