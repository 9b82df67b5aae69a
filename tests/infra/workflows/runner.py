"""Runs the jobs of a workflow on this machine: every `run:` for real in Bash, every `uses:` by a stand-in."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.infra.rendered import ROOT
from tests.infra.workflows.expressions import Context, interpolated, is_true
from tests.infra.workflows.files import Values, load

WORKFLOWS = "./.github/workflows/"
StandIn = Callable[["Job", Values], dict[str, str]]
"""Takes the job and the step's `with`; returns the step's outputs, or raises StepFailed."""


class StepFailed(Exception):
    """What a stand-in refuses."""


@dataclass
class Ran:
    """What came of one step."""

    name: str
    outcome: str
    output: str = ""


@dataclass
class Result:
    """What came of one job."""

    status: str
    outputs: dict[str, str] = field(default_factory=dict)
    steps: list[Ran] = field(default_factory=list)

    @property
    def failed(self) -> Ran:
        """The step that failed the job."""
        return next(one for one in self.steps if one.outcome == "failure")

    @property
    def output(self) -> str:
        """What all steps printed, for the message of a failing test."""
        return "\n".join(f"--- {one.name}: {one.outcome}\n{one.output}" for one in self.steps)


@dataclass
class Machine:
    """Where jobs run: the event, the repository's variables, programs that stand in for others, and actions."""

    folder: Path
    github: Values
    variables: dict[str, str]
    actions: Mapping[str, StandIn]
    environment: dict[str, str] = field(default_factory=dict)
    """Variables of the process, for the stand-ins of programs."""
    instead: dict[str, str] = field(default_factory=dict)
    """Pattern of the command line's arguments -> what a shell does instead, for verbs that need a cloud's whole day."""
    running: list[str] = field(default_factory=list)
    """Concurrency groups of the jobs that ran, in order."""

    def program(self, name: str, script: str) -> None:
        """Put a program first on the path."""
        (self.folder / "bin").mkdir(parents=True, exist_ok=True)
        path = self.folder / "bin" / name
        path.write_text(script, encoding="utf-8")
        path.chmod(0o755)

    def workflow(self, name: str, inputs: Values | None = None, *, skip: tuple[str, ...] = ()) -> dict[str, Result]:
        """Run the jobs of a workflow in the order of their needs; those in `skip` succeed without running."""
        content, results = load(name), dict[str, Result]()
        needs = {job: _list(body.get("needs")) for job, body in content["jobs"].items()}
        while waiting := [job for job in needs if job not in results]:
            for job in waiting:
                if all(one in results for one in needs[job]):
                    before = {one: results[one] for one in needs[job]}
                    body = content["jobs"][job]
                    results[job] = (
                        Result("success") if job in skip else self._run(name, job, body, before, inputs or {})
                    )
        return results

    def _run(self, file: str, job: str, body: Values, needs: Mapping[str, Result], inputs: Values) -> Result:
        status = {one.status for one in needs.values()}
        context: dict[str, Any] = {
            "github": self.github,
            "vars": self.variables,
            "inputs": inputs,
            "needs": {name: {"outputs": one.outputs, "result": one.status} for name, one in needs.items()},
            "functions": {
                "success": lambda: status <= {"success"},
                "failure": lambda: "failure" in status,
                "always": lambda: True,
                "cancelled": lambda: False,
            },
        }
        if not is_true(body.get("if", "success()"), context):
            return Result("skipped")
        if "uses" in body:
            return self._called(body, context)
        return Job(self, file, job, body, context).run()

    def _called(self, body: Values, context: Context) -> Result:
        given = {key: interpolated(str(value), context) for key, value in body.get("with", {}).items()}
        file = str(body["uses"]).removeprefix(WORKFLOWS)
        content = load(file)
        declared = content["on"]["workflow_call"] or {}
        unknown = set(given) ^ {name for name, one in declared.get("inputs", {}).items() if one.get("required")}
        assert not unknown, f"{file}: inputs {unknown}"
        for name, inner in content["jobs"].items():
            wider = set((inner.get("permissions") or {}).items()) - set(body["permissions"].items())
            assert not wider, f"GitHub refuses {file}: {name} asks for {wider}, which its caller was not given"
        inner_results = self.workflow(file, given)
        status = "failure" if any(one.status == "failure" for one in inner_results.values()) else "success"
        finished = {"jobs": {name: {"outputs": one.outputs} for name, one in inner_results.items()}, "functions": {}}
        outputs = {
            name: interpolated(one["value"], finished) if status == "success" else ""
            for name, one in declared.get("outputs", {}).items()
        }
        return Result(status, outputs, [step for one in inner_results.values() for step in one.steps])


class Job:
    """One job on a fresh folder."""

    def __init__(self, machine: Machine, file: str, name: str, body: Values, context: dict[str, Any]) -> None:
        self.machine, self.file, self.name, self.body = machine, file, name, body
        self.workspace = machine.folder / "jobs" / f"{len(machine.running)}-{name}"
        (self.workspace / ".venv" / "bin").mkdir(parents=True)
        cases = "".join(f"  {pattern}) {line}; exit ;;\n" for pattern, line in machine.instead.items())
        mlops = f'#!/bin/sh\ncase "$*" in\n{cases}esac\nexec "{sys.executable}" -m mlops.cli.main "$@"\n'
        (self.workspace / ".venv" / "bin" / "mlops").write_text(mlops)
        (self.workspace / ".venv" / "bin" / "mlops").chmod(0o755)
        self._context = {**context, "steps": {}, "env": {}}
        self._context["env"] = self._interpolated(body.get("env", {}))
        self._failed = False
        self._context["functions"] = {
            "success": lambda: not self._failed,
            "failure": lambda: self._failed,
            "always": lambda: True,
            "cancelled": lambda: False,
        }
        self.environment = interpolated(str(body.get("environment", "")), self._context)
        """The GitHub environment that it is in."""
        machine.running.append(interpolated(str((body.get("concurrency") or {}).get("group", "")), self._context))

    @property
    def permissions(self) -> Values:
        return dict(self.body.get("permissions") or {})

    def run(self) -> Result:
        """Run the steps in order; after one that fails only those that ask for it."""
        ran = []
        for number, step in enumerate(self.body["steps"]):
            name = str(step.get("uses", "").partition("@")[0] or step["run"]).strip()
            if not is_true(step.get("if", "success()"), self._context):
                ran.append(Ran(name, "skipped"))
                continue
            one = self._step(number, name, step)
            ran.append(one)
            self._failed |= one.outcome == "failure"
        outputs = {} if self._failed else self._interpolated(self.body.get("outputs", {}))
        return Result("failure" if self._failed else "success", outputs, ran)

    def _step(self, number: int, name: str, step: Values) -> Ran:
        is_forgiven = bool(step.get("continue-on-error"))
        try:
            outputs, output = self._used(step) if "uses" in step else self._command(number, step)
        except StepFailed as error:
            return Ran(name, "forgiven" if is_forgiven else "failure", str(error))
        self._context["steps"][step.get("id", f"unnamed-{number}")] = {"outputs": outputs, "outcome": "success"}
        return Ran(name, "success", output)

    def _used(self, step: Values) -> tuple[dict[str, str], str]:
        action = step["uses"].partition("@")[0]
        assert action in self.machine.actions, f"no stand-in for {action}"
        return self.machine.actions[action](self, self._interpolated(step.get("with", {}))), ""

    def _command(self, number: int, step: Values) -> tuple[dict[str, str], str]:
        files = {name: self.workspace.parent / f"{self.workspace.name}-{number}-{name}" for name in _FILES}
        for path in files.values():
            path.touch()
        path = f"{self.machine.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        process = {
            **os.environ,
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'localrun' / 'src'}",
            "PATH": path,
            "GITHUB_REPOSITORY": self.machine.github["repository"],
            **self.machine.environment,
            **self._context["env"],
            **self._interpolated(step.get("env", {})),
            **{name: str(path) for name, path in files.items()},
        }
        script = interpolated(step["run"], self._context)
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=self.workspace / step.get("working-directory", ""),
            env=process,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise StepFailed(f"{done.stdout}\nended with {done.returncode}")
        lines = files["GITHUB_OUTPUT"].read_text(encoding="utf-8").splitlines()
        return dict(line.split("=", 1) for line in lines), done.stdout

    def _interpolated(self, values: Values) -> dict[str, str]:
        return {key: interpolated(str(value), self._context) for key, value in values.items()}


_FILES = ("GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_STEP_SUMMARY")


def _list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())
