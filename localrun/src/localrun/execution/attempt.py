"""One attempt of a task: what it is given, how it is started, and what it leaves."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from localrun.environments.code import sees_folder
from localrun.environments.docker import DockerEnvironment, Program, removal
from localrun.environments.environment import Environment
from localrun.environments.secrets import secret_variables
from localrun.errors import OutputError, ParameterError
from localrun.execution.views import View
from localrun.records import Artifact, Values
from localrun.spec.commands import is_lightweight, runs_executor
from localrun.spec.parameters import from_output, plain
from localrun.spec.pipeline import Component, Container, ParameterType
from localrun.spec.placeholders import command_line
from localrun.store.codec import Codec, text
from localrun.store.digests import ABSENT, Digests
from localrun.store.layout import MANIFEST, Layout, discard, explained, publish


def is_warm(container: Container, environment: Environment) -> bool:
    """Whether the task is forked from a process that has imported what it needs."""
    return runs_executor(container) and not isinstance(environment, DockerEnvironment)


def process_changes(container: Container, environment: Environment) -> dict[str, Any]:
    """Return which variables a task's process has that its host does not have, and the other way round."""
    withheld = sorted({*environment.passed} - {*secret_variables(container)})
    return {"variables": dict(container.variables), "withheld": withheld}


def told(known: Values, container: Container, environment: Environment) -> dict[str, Any]:
    """Return what the process of a task that may come is told: values, and paths in the store, which it must only read.

    The task itself sees its inputs under other names.
    """
    artifacts = {name: str(artifact.path) for name, artifact in known.artifacts.items() if artifact.digest}
    return {**process_changes(container, environment), "parameters": dict(known.parameters), "artifacts": artifacts}


@dataclass(frozen=True)
class Attempt:
    """An attempt with the folders it may write to."""

    layout: Layout
    pipeline: str
    run_id: str
    path: str
    number: int
    execution: str
    component: Component
    inputs: Values

    @property
    def folder(self) -> Path:
        """Log, executor input and output."""
        return self.layout.attempt(self.run_id, self.path, self.number)

    @property
    def staging(self) -> Path:
        """Where its outputs are written."""
        return self.layout.staging(self.pipeline, self.execution)

    @property
    def final(self) -> Path:
        """Where its outputs lie when it has succeeded."""
        return self.layout.final(self.pipeline, self.execution)

    @property
    def log(self) -> Path:
        """Everything the task prints."""
        return self.folder / "log.txt"

    @property
    def scratch(self) -> Path:
        """The empty folder that a task runs in when it has no business in its environment's folder."""
        return self.folder / "scratch"

    @property
    def view(self) -> View:
        """What it sees of its input artifacts."""
        return View(self.folder / "inputs", self.layout.root)

    def executor_input(self, inputs: Values) -> dict[str, Any]:
        """Return the message that kfp's executor reads, with outputs in the staging folder."""
        outputs = {
            name: [
                {
                    "name": name,
                    "type": _type(d.schema_title, d.schema_version),
                    "uri": str(self.staging / name),
                    "metadata": dict(d.metadata),
                }
            ]
            for name, d in self.component.output_artifacts.items()
        }
        listed = {**{name: (artifact,) for name, artifact in inputs.artifacts.items()}, **inputs.lists}
        artifacts = {
            name: [
                {"name": a.name, "type": _type(a.type, a.version), "uri": a.uri, "metadata": dict(a.metadata)}
                for a in many
            ]
            for name, many in listed.items()
        }
        return {
            "inputs": {
                "parameterValues": dict(inputs.parameters),
                "artifacts": {name: {"artifacts": many} for name, many in artifacts.items()},
            },
            "outputs": {
                "parameters": {
                    name: {"outputFile": str(self.folder / "parameters" / name)}
                    for name in self.component.output_parameters
                },
                "artifacts": {name: {"artifacts": listed} for name, listed in outputs.items()},
                "outputFile": str(self.staging / "executor_output.json"),
            },
        }

    def prepare(self, environment: Environment, runtime: Mapping[str, str], grace: float, digests: Digests) -> Path:
        """Make the folders and the launch file that the warm process reads; returns the file.

        Raises OutputError for a command of which the inputs leave nothing, StoreError when the disk says no.
        """
        container, warm = self.container, is_warm(self.container, environment)
        contained = isinstance(environment, DockerEnvironment)
        with explained(self.folder):
            (self.folder / "parameters").mkdir(parents=True, exist_ok=True)
            self.staging.mkdir(parents=True, exist_ok=True)
            # A container has its inputs mounted read-only.
            inputs = self.inputs if contained else self.view.of(self.inputs, digests, copied=not warm)
            message = self.executor_input(inputs)
            launch = {
                "mode": "executor" if warm else "command",
                "argv": self._argv(environment, message, runtime),
                **process_changes(container, environment),
                "log": str(self.log),
                "grace": grace,
                "inputs": str(self.view.folder) if self.view.folder.is_dir() else "",
                "cleanup": removal(self.execution) if contained else [],
                **self._place(environment),
            }
            if is_lightweight(container):
                self._source.write_text(container.command[-1], encoding="utf-8")
            (self.folder / "executor_input.json").write_text(json.dumps(message, indent=2), encoding="utf-8")
            (self.folder / "launch.json").write_text(json.dumps(launch), encoding="utf-8")
        return self.folder / "launch.json"

    @property
    def container(self) -> Container:
        """The command that it runs."""
        assert isinstance(self.component.implementation, Container)
        return self.component.implementation

    @property
    def _source(self) -> Path:
        return self.folder / "ephemeral_component.py"

    def _place(self, environment: Environment) -> dict[str, str]:
        """Say where the task runs, and which folder it must not import from."""
        cwd = str(Path(environment.cwd).absolute())
        if isinstance(environment, DockerEnvironment) or sees_folder(
            self.container, self.inputs.parameters, environment
        ):
            return {"cwd": cwd, "hidden": ""}
        self.scratch.mkdir(exist_ok=True)
        return {"cwd": str(self.scratch), "hidden": cwd}

    def _argv(self, environment: Environment, message: Mapping[str, Any], runtime: Mapping[str, str]) -> list[str]:
        container = self.container
        args = command_line(container.args, message, runtime)
        command = command_line(container.command, message, runtime)
        if isinstance(environment, DockerEnvironment):
            readable = [artifact.path for artifact in self.inputs.every_artifact().values() if artifact.path.exists()]
            writable = [self.folder / "parameters", self.staging]
            readable += [Path(secret.path) for secret in container.secrets if secret.path]
            program = Program(command, args, container.variables, secret_variables(container))
            return environment.command(self.execution, program, readable, writable)
        if is_lightweight(container):
            return ["--component_module_path", str(self._source), *args]
        if runs_executor(container):
            return args
        if not command:
            raise OutputError("its inputs leave nothing of its command; wanted a program")
        return [*command, *args]

    def commit(self, key: str, digests: Digests) -> Values:
        """Check, digest and publish what the task left in its staging folder; returns it with its final places.

        Raises OutputError for outputs that do not fit the component, StoreError when the disk says no.
        """
        written = self._executor_output()
        values = Values(self._parameters(written), self._artifacts(written, digests))
        if not values.artifacts:  # parameters alone are in the journal
            discard(self.staging)
            return values
        manifest = {
            "execution": self.execution,
            "run": self.run_id,
            "task": self.path,
            "attempt": self.number,
            "key": key,
        }
        with explained(self.staging):
            (self.staging / MANIFEST).write_text(
                text({**manifest, "outputs": Codec(self.layout.root).values(values)}), encoding="utf-8"
            )
        publish(self.staging, self.final)
        return values

    def _executor_output(self) -> dict[str, Any]:
        file = self.staging / "executor_output.json"
        try:
            written = json.loads(file.read_text(encoding="utf-8"))
            file.replace(self.folder / file.name)
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise OutputError(f"{file}: no readable executor output: {error}") from error
        return written if isinstance(written, dict) else {}

    def _parameters(self, written: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = dict(written.get("parameterValues") or {})
        for name, definition in self.component.output_parameters.items():
            file = self.folder / "parameters" / name
            if file.is_file():
                found[name] = _read_parameter(file, definition.type)
        values = {}
        for name, value in found.items():
            if name not in self.component.output_parameters:
                raise OutputError(f"the task wrote an output parameter {name!r} that its component does not declare")
            try:
                values[name] = from_output(
                    value, self.component.output_parameters[name].type, f"output parameter {name!r}"
                )
            except ParameterError as error:
                raise OutputError(str(error)) from error
        return values

    def _artifacts(self, written: Mapping[str, Any], digests: Digests) -> dict[str, Artifact]:
        found = {}
        for name, definition in self.component.output_artifacts.items():
            listed = ((written.get("artifacts") or {}).get(name) or {}).get("artifacts") or [{}]
            reported = listed[0]
            try:
                metadata = plain(reported.get("metadata") or dict(definition.metadata), f"metadata of output {name!r}")
            except ParameterError as error:
                raise OutputError(str(error)) from error
            artifact = Artifact(
                name,
                definition.schema_title,
                definition.schema_version,
                reported.get("uri") or str(self.staging / name),
                "",
                metadata,
                self.execution,
            )
            found[name] = self._placed(artifact, digests)
        return found

    def _placed(self, artifact: Artifact, digests: Digests) -> Artifact:
        """Digest an artifact where it lies and give it the place it will have."""
        if "://" in artifact.uri and not artifact.uri.startswith("file://"):
            return artifact
        place = Path(artifact.uri.removeprefix("file://")).absolute()
        place = self.view.original(place, self.inputs)
        digest = digests.of(place)
        if place.is_relative_to(self.staging):
            place = self.final / place.relative_to(self.staging)
        elif digest == ABSENT:
            raise OutputError(f"output {artifact.name!r} is reported at {place}, which does not exist")
        return replace(artifact, uri=str(place), digest=digest)


def _type(title: str, version: str) -> dict[str, str]:
    return {"schemaTitle": title, "schemaVersion": version}


def _read_parameter(file: Path, kind: ParameterType) -> Any:
    content = file.read_text(encoding="utf-8")
    if kind is ParameterType.STRING:
        return content
    try:
        return json.loads(content.lower() if kind is ParameterType.BOOLEAN else content)
    except ValueError as error:
        raise OutputError(f"{file}: wanted a {kind.value}, got {content[:60]!r}") from error
