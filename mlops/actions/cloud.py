"""The environments on Google Cloud: which programs bring one up and down, with which arguments."""

import json
import os
import re
import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core import durable
from core.errors import GateClosed, MlopsError, UsageError

ENVIRONMENTS = ("dev", "staging", "prod")
AGENTS = ("aiplatform", "cloudscheduler", "pubsub", "run")
"""APIs whose service agent Terraform grants something to; one that was never used has none yet."""
APIS = ("cloudbilling", "cloudresourcemanager", "iam", "serviceusage", "storage", *AGENTS)
"""What Terraform itself needs before it can enable the rest."""
_VALUE = re.compile(r"""(?m)^(?P<name>\w+)[ \t]*=[ \t]*(?:"(?P<text>[^"]*)"|(?P<plain>true|false|null))""")
_HINTS = {
    "gcloud": "install Google Cloud's CLI, then: gcloud auth login; gcloud auth application-default login",
    "gh": "install GitHub's command line, then: gh auth login",
    "terraform": "install Terraform 1.11 or newer",
}

Say = Callable[[str], None]


@dataclass(frozen=True)
class Environment:
    """One environment: the values of its .tfvars file that are needed before Terraform runs, and its files here."""

    name: str
    project: str
    region: str
    state_bucket: str
    is_protected: bool
    infra: Path
    """Folder of the Terraform root."""
    folder: Path
    """Where this machine keeps the plan, Terraform's working data, and the deployment's settings."""

    @classmethod
    def of(cls, name: str, infra: Path, store: Path) -> "Environment":
        """Read `infra/<name>.tfvars`; UsageError, which names file and value, for one that is missing or an example."""
        if name not in ENVIRONMENTS:
            raise UsageError(f"environment: wanted {', '.join(ENVIRONMENTS)}, got {name!r}")
        path = infra / f"{name}.tfvars"
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise UsageError(f"{path}: wanted the values of {name}, found no such file; run in the checkout") from None
        values = {match["name"]: match["text"] or match["plain"] or "" for match in _VALUE.finditer(text)}
        for key, pattern in (("project", r"[a-z][a-z0-9-]{4,28}[a-z0-9]"), ("region", r"[a-z]+-[a-z]+[0-9]+")):
            if not re.fullmatch(pattern, values.get(key, "")):
                raise UsageError(f"{path}: {key}: wanted yours, got {values.get(key, 'nothing')!r}; write it there")
        state = values.get("state_bucket", "null")
        return cls(
            name,
            values["project"],
            values["region"],
            f"{values['project']}-mlops-state" if state == "null" else state,
            values.get("protected", "true") != "false",
            infra,
            store / "cloud" / name,
        )

    @property
    def plan(self) -> Path:
        """The plan that was shown last; what is applied is exactly that."""
        return self.folder / "terraform.tfplan"

    @property
    def deployment(self) -> Path:
        """The settings that `mlops ... --at vertex` reads."""
        return self.folder / "deployment.json"

    @property
    def variables(self) -> dict[str, str]:
        """What Terraform needs in its environment, so that environments do not mix in one checkout."""
        return {"TF_DATA_DIR": str(self.folder / "terraform"), "TF_IN_AUTOMATION": "1"}


@dataclass(frozen=True)
class Programs:
    """Runs programs and prints each command before it does; with `dry_run` it only prints those that change things."""

    say: Say
    dry_run: bool
    environment: Mapping[str, str]

    def run(self, *argv: str) -> None:
        """Run a program with this terminal's output; MlopsError when it is missing or fails."""
        if code := self.code(*argv):
            raise MlopsError(f"`{shlex.join(argv)}` ended with {code}; what it wrote is above")

    def code(self, *argv: str) -> int:
        """Run a program with this terminal's output and return its exit code; 0 in a dry run."""
        self.say(f"$ {shlex.join(argv)}")
        return 0 if self.dry_run else self._call(argv).returncode

    def succeeds(self, *argv: str) -> bool:
        """Ask a program that changes nothing; False in a dry run, which reaches no cloud."""
        return not self.dry_run and self._call(argv, capture=True).returncode == 0

    def output(self, *argv: str) -> str:
        """Return what a program prints; empty in a dry run. MlopsError when it fails."""
        self.say(f"$ {shlex.join(argv)}")
        if self.dry_run:
            return ""
        done = self._call(argv, capture=True)
        if done.returncode:
            raise MlopsError(f"`{shlex.join(argv)}` ended with {done.returncode}: {done.stderr.strip()[-500:]}")
        return done.stdout

    def _call(self, argv: Sequence[str], *, capture: bool = False) -> "subprocess.CompletedProcess[str]":
        try:
            return subprocess.run(  # noqa: S603 - a list, never a shell line
                argv, env={**os.environ, **self.environment}, capture_output=capture, text=True, check=False
            )
        except OSError as error:
            raise MlopsError(f"{argv[0]} cannot be started: {error.strerror}; {_HINTS[argv[0]]}") from error


def bootstrap(environment: Environment, programs: Programs) -> None:
    """Create what Terraform needs before its first run: APIs, the bucket of its state, the service agents.

    A second call changes nothing.
    """
    project = f"--project={environment.project}"
    programs.run("gcloud", "services", "enable", *(f"{api}.googleapis.com" for api in APIS), project)
    bucket = f"gs://{environment.state_bucket}"
    if not programs.succeeds("gcloud", "storage", "buckets", "describe", bucket, project):
        programs.run(
            *("gcloud", "storage", "buckets", "create", bucket, project, f"--location={environment.region}"),
            *("--uniform-bucket-level-access", "--public-access-prevention"),
        )
    programs.run("gcloud", "storage", "buckets", "update", bucket, project, "--versioning")
    for api in AGENTS:
        programs.run(
            "gcloud", "beta", "services", "identity", "create", f"--service={api}.googleapis.com", project, "--quiet"
        )


def plan(environment: Environment, programs: Programs) -> None:
    """Show what `up` would change, and keep the plan."""
    _initialize(environment, programs)
    _terraform(environment, programs, "plan", *_values(environment), f"-out={environment.plan.absolute()}")


def apply(environment: Environment, programs: Programs) -> None:
    """Apply the plan that `plan` showed and write the deployment's settings; a plan is applied once."""
    _terraform(environment, programs, "apply", "-input=false", str(environment.plan.absolute()))
    if not programs.dry_run:
        environment.plan.unlink(missing_ok=True)
    write_deployment(environment, programs)


def write_deployment(environment: Environment, programs: Programs) -> None:
    """Write Terraform's output `mlops` into the file that `mlops ... --at vertex` reads, atomically."""
    values = _output(environment, programs, "mlops")
    if programs.dry_run:
        return
    durable.replace(environment.deployment, (json.dumps(values, indent=2) + "\n").encode())


def down(environment: Environment, programs: Programs) -> None:
    """Destroy everything that `up` created; the state's bucket stays. UsageError for a protected environment."""
    if environment.is_protected:
        path = environment.infra / f"{environment.name}.tfvars"
        raise UsageError(
            f"{environment.name} is protected: to destroy it with its data and models, write protected = false into "
            f"{path}, apply that with `mlops cloud up {environment.name}`, then call this again"
        )
    _initialize(environment, programs)
    _terraform(environment, programs, "destroy", *_values(environment), "-auto-approve")
    if not programs.dry_run:
        environment.deployment.unlink(missing_ok=True)


def check_drift(environment: Environment, programs: Programs) -> None:
    """Show what `up` would change, and keep nothing; GateClosed when that is anything."""
    _initialize(environment, programs)
    answer = ("plan", *_values(environment), "-lock=false", "-detailed-exitcode")
    code = programs.code("terraform", f"-chdir={environment.infra}", *answer)
    if code == 2:
        raise GateClosed(
            f"{environment.project} is not what {environment.infra} says; the plan above shows the difference; "
            f"apply it with `mlops cloud up {environment.name}`, or change the files"
        )
    if code:
        raise MlopsError(f"`terraform plan` ended with {code}; what it wrote is above")


def connect(environment: Environment, programs: Programs, repository: str) -> list[str]:
    """Write what the workflows of a GitHub repository need into its variables; return their names.

    A GitHub environment that is missing is created for protected branches; one that is there keeps its rules. Raises
    UsageError for an environment of Terraform whose `github` names no gate.
    """
    found = _output(environment, programs, "workflows")
    if not found and not programs.dry_run:
        path = environment.infra / f"{environment.name}.tfvars"
        raise UsageError(f"{path}: github: wanted the repository's ids and gates; write them there and apply it")
    branches = ("--field", "deployment_branch_policy[protected_branches]=true")
    others = ("--field", "deployment_branch_policy[custom_branch_policies]=false")
    for gate, settings in found.items():
        address = f"repos/{repository}/environments/{gate}"
        if not programs.succeeds("gh", "api", address):
            programs.run("gh", "api", "--silent", "--method", "PUT", address, *branches, *others)
        body = json.dumps(settings, separators=(",", ":"))
        programs.run("gh", "variable", "set", _variable(gate), "--repo", repository, "--body", body)
    return [_variable(gate) for gate in found]


def _variable(gate: str) -> str:
    return f"MLOPS_{gate.upper().replace('-', '_')}"


def _output(environment: Environment, programs: Programs, name: str) -> dict[str, Any]:
    """Return one of Terraform's outputs; empty in a dry run. MlopsError for one that is no object."""
    text = programs.output("terraform", f"-chdir={environment.infra}", "output", "-json", name)
    if programs.dry_run:
        return {}
    try:
        return {key: value for key, value in json.loads(text).items() if value is not None}
    except (AttributeError, ValueError):
        raise MlopsError(f"terraform output {name}: wanted a JSON object, got {text[:100]!r}") from None


def _initialize(environment: Environment, programs: Programs) -> None:
    if not programs.dry_run:
        environment.folder.mkdir(parents=True, exist_ok=True)
    state = (f"-backend-config=bucket={environment.state_bucket}", f"-backend-config=prefix=mlops/{environment.name}")
    _terraform(environment, programs, "init", "-input=false", *state)


def _values(environment: Environment) -> tuple[str, ...]:
    return ("-input=false", f"-var-file={environment.name}.tfvars")


def _terraform(environment: Environment, programs: Programs, verb: str, *arguments: str) -> None:
    programs.run("terraform", f"-chdir={environment.infra}", verb, *arguments)
