"""What an image is on this machine, and what is fingerprinted of it."""

import hashlib
import json
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from localrun.errors import LocalrunError, UnsupportedPipeline, nearest
from localrun.spec.pipeline import Pipeline
from localrun.store.digests import Digests

# Passed on to tasks because programs do not work without them; none of them is meant to change a result.
_PASSED = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|TMPDIR|LD_LIBRARY_PATH|CUDA_VISIBLE_DEVICES|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE"
    r"|([a-z]+|[A-Z]+)_(proxy|PROXY)|COVERAGE_PROCESS_(START|CONFIG)"
)
# What a container has, too: a task's result must not depend on where the runner stands.
_FIXED = {"LANG": "C.UTF-8", "TZ": "UTC"}
_REGISTRY = re.compile(r"([^/]*[.:][^/]*|localhost)/")


@dataclass(frozen=True)
class Environment:
    """The local counterpart of an image: a Python, a working directory, and the code that a task runs."""

    cwd: Path
    """Working directory of every task; `kfp_config.ini` lies here."""
    python: Path = Path(sys.executable)
    """Interpreter that has what the image has."""
    preload: tuple[str, ...] = ()
    """Modules that the warm process imports once, before it forks; they must not start threads that tasks need."""
    early: Mapping[str, str] = field(default_factory=dict)
    """Function -> the module of `preload` after which a first task of it can start; others wait for all modules."""
    imports: Mapping[str, str] = field(default_factory=dict)
    """Function -> the module of `cwd` with its code, which a task's process imports while the task before it runs.

    Its function `prepare(parameters, artifacts)`, if it has one, is called then with the inputs that are known: values,
    and paths in the store. It must only read, and the task may come with other inputs than these, or not at all.
    """
    variables: Mapping[str, str] = field(default_factory=dict)
    """Environment variables of every task; part of the cache key."""
    sources: Mapping[str, tuple[Path, ...]] | None = None
    """Function -> files and folders with its code, `*` for all; None: what each task can import or names is found.

    With a mapping, a function that it does not name is never cached.
    """
    holds_folder: bool = True
    """Whether the image is taken to hold `cwd`, so that every task runs in it and imports from it.

    Without it, a task that names nothing of `cwd` runs in an empty folder of its own, as in an image that has nothing
    of yours.
    """
    passed: tuple[str, ...] = ()
    """Names of variables of this process that hold secrets: only tasks that ask for one get it, and none is kept."""
    lock: Path | None = None
    """File that pins what is installed, such as `uv.lock`; part of the cache key."""

    @property
    def has_entrypoint(self) -> bool:
        """Whether it knows the command that stands in the image, and not in the pipeline."""
        return False

    def process_variables(self) -> dict[str, str]:
        """Return the environment variables of this environment's processes."""
        passed = {name: value for name, value in os.environ.items() if _PASSED.fullmatch(name)}
        passed |= {name: os.environ[name] for name in self.passed if name in os.environ}
        folders = [str(Path(self.python).absolute().parent), *passed.get("PATH", os.defpath).split(os.pathsep)]
        # A folder that is named again finds nothing, and would make processes of an activated environment others.
        path = os.pathsep.join(dict.fromkeys(folders))
        return {**passed, **_FIXED, "PATH": path, **self.variables}

    def key(self) -> str:
        """Name the warm process that serves this environment: equal keys can share one."""
        return json.dumps(
            [
                str(self.python),
                str(Path(self.cwd).absolute()),
                self.preload,
                sorted(self.early.items()),
                sorted(self.variables.items()),
                [(name, os.environ.get(name)) for name in self.passed],
            ]
        )

    def fingerprint(self, digests: Digests) -> dict[str, object]:
        """Describe interpreter, installed distributions, lock file and variables for a cache key."""
        return {
            "python": digests.once(f"interpreter {self.python}", lambda: _interpreter(str(self.python))),
            "installed": digests.once(f"installed {self.python}", lambda: _installed(str(self.python))),
            "lock": digests.of(Path(self.lock)) if self.lock else "",
            "variables": dict(sorted(self.variables.items())),
        }

    def named_code(self, function: str) -> list[Path] | None:
        """Return the files and folders that `sources` names for a function; None where it names none."""
        sources = self.sources or {}
        if function not in sources and "*" not in sources:
            return None
        return sorted({Path(path).absolute() for name in (function, "*") for path in sources.get(name, ())})


def image_name(reference: str) -> str:
    """Strip tag and digest from an image reference."""
    name = reference.partition("@")[0]
    head, slash, tail = name.rpartition("/")
    return f"{head}{slash}{tail.partition(':')[0]}"


def stands_for(image: str, environments: Mapping[str, Environment]) -> Environment:
    """Return the environment of an image: the one of just this version, else the one of its name; KeyError for none."""
    return environments[image] if image in environments else environments[image_name(image)]


def in_any_registry(pipeline: Pipeline, environments: Mapping[str, Environment]) -> dict[str, Environment]:
    """Return the environments under the pipeline's names, too.

    `a/b` stands for `registry.example/x/a/b` where nothing else does.
    """
    found = dict(environments)
    for name in {image_name(image) for _, image in pipeline.images} - set(found):
        ends = [known for known in environments if _REGISTRY.match(name) and name.endswith(f"/{known}")]
        if ends:
            found[name] = environments[max(ends, key=len)]
    return found


def check_images(pipeline: Pipeline, environments: Mapping[str, Environment]) -> None:
    """Raise UnsupportedPipeline for the first image that no environment stands for, or whose own command is wanted."""
    for component, image in pipeline.images:
        if image not in environments and image_name(image) not in environments:
            raise UnsupportedPipeline(
                f"component {component}: no environment for the image {image!r}"
                f"{nearest(image_name(image), environments)}"
            )
    commands = pipeline.containers
    for component, image in pipeline.images:
        if not commands[component].command and not stands_for(image, environments).has_entrypoint:
            raise UnsupportedPipeline(
                f"component {component}: its command stands only in the image {image!r}, which is not what runs here; "
                "give the component a command, or run the image itself with Docker: --docker"
            )
    for name, environment in environments.items():
        if not Path(environment.cwd).is_dir():
            raise LocalrunError(f"environment {name!r}: its working directory {environment.cwd} does not exist")
        if not os.access(environment.python, os.X_OK):
            raise LocalrunError(f"environment {name!r}: {environment.python} is no program")


def _interpreter(python: str) -> str:
    """Say which interpreter it is without starting it: a cached rerun must not pay for that."""
    if python == sys.executable:
        return sys.version
    real = Path(python).resolve()
    about = real.stat()
    config = Path(python).absolute().parent.parent / "pyvenv.cfg"
    return f"{real} {about.st_size} {about.st_mtime_ns} {config.read_text() if config.is_file() else ''}"


def _installed(python: str) -> str:
    """Digest of the names and versions of the installed distributions, from the names of their folders alone."""
    prefix = Path(python).absolute().parent.parent
    names = sorted(path.name for path in prefix.glob("lib/python3*/site-packages/*-info"))
    return hashlib.sha256("\n".join(names).encode()).hexdigest()
