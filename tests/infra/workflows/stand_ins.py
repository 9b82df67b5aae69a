"""Stand-ins of the actions and programs that the workflows use, which refuse what the services refuse."""

import hashlib
import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.digest import of_file
from tests.infra.workflows.files import Values
from tests.infra.workflows.runner import Job, Machine, StandIn, StepFailed
from tests.unit.cluster.test_project_images import DOCKER

REPOSITORY = "owner/name"
REGISTRY = "europe-docker.example/project/images"
BUILD = f"{REPOSITORY}/.github/workflows/build.yml"
GH = """#!{python} -IS
import hashlib, json, sys
target, options = sys.argv[3], dict(zip(sys.argv[4::2], sys.argv[5::2]))
digest = target.partition("@")[2] if target.startswith("oci://") else ""
digest = digest or "sha256:" + hashlib.sha256(open(target, "rb").read()).hexdigest()
for one in json.load(open({file!r})):
    wanted = (digest, options["--signer-workflow"], options["--source-ref"], options["--source-digest"])
    if (one["digest"], one["signer"], one["ref"], one["commit"]) == wanted and "sbom" not in one:
        sys.exit(0)
print("no attestation matches", file=sys.stderr)
sys.exit(1)
"""

MAKE = """#!/bin/sh
echo "make $*"
if [ "$1" = wheel ]; then mkdir -p dist; echo code >dist/ml.whl; echo '{}' >dist/sbom.json; fi
"""


def settings(environment: str, store: str, *, serves: bool = False) -> str:
    """Return what `mlops cloud connect` writes for an environment."""
    duty = "build" if environment == "build" else "deploy"
    deployment = {"project": f"p-{environment}", "region": "europe-west1", "root": store, "registry": REGISTRY}
    return json.dumps(
        {
            "provider": f"projects/p-{environment}/providers/actions",
            "accounts": {duty: f"mlops-{duty}@p-{environment}.example"},
            "deployment": deployment | {"serving": {"endpoints": {"m": "an-endpoint"} if serves else {}}},
            "registry": "europe-docker.example",
            "store": store,
        }
    )


class Services:
    """GitHub's and Google's side of the workflows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.artifacts = folder / "artifacts"
        self._signed = folder / "attestations.json"
        self._signed.write_text("[]")

    @property
    def signed(self) -> list[dict[str, Any]]:
        """The attestations that there are."""
        return list(json.loads(self._signed.read_text()))

    def sign(self, digest: str, job: Job | None = None, **changes: str) -> None:
        """Attest a digest, as the given job or, without one, as build.yml on main."""
        github = job.machine.github if job else {"sha": changes.pop("commit", ""), "ref": "refs/heads/main"}
        signer = f"{REPOSITORY}/.github/workflows/{job.file}" if job else BUILD
        one = {"digest": digest, "signer": signer, "ref": github["ref"], "commit": github["sha"], **changes}
        self._signed.write_text(json.dumps([*self.signed, one]))

    def forget(self, digest: str) -> None:
        """Remove the attestations of a digest."""
        self._signed.write_text(json.dumps([one for one in self.signed if one["digest"] != digest]))

    def actions(self) -> Mapping[str, StandIn]:
        return {
            "actions/checkout": lambda *_: {},
            "actions/upload-artifact": self._upload,
            "actions/download-artifact": self._download,
            "actions/attest": self._attest,
            "docker/login-action": self._log_in,
            "google-github-actions/auth": self._authenticate,
        }

    def machine(self, commit: str, variables: dict[str, str], environment: dict[str, str]) -> Machine:
        """Return a machine that runs jobs for a commit on main."""
        github = {
            "repository": REPOSITORY,
            "sha": commit,
            "ref": "refs/heads/main",
            "event_name": "push",
            "run_id": "4711",
            "token": "a-token",
        }
        machine = Machine(self.folder, github, variables, self.actions(), environment)
        machine.program("gh", GH.format(python=sys.executable, file=str(self._signed)))
        machine.program("make", MAKE)
        machine.program("docker", DOCKER.format(python=sys.executable, folder=str(self._docker())))
        return machine

    def _docker(self) -> Path:
        folder = self.folder / "docker"
        folder.mkdir()
        base = {"python:3.11-slim": {"Id": "sha256:base", "Size": 10**8, "Config": {"Labels": None}}}
        for name, content in (("images", base), ("faults", {}), ("sizes", {})):
            (folder / f"{name}.json").write_text(json.dumps(content))
        return folder

    def _authenticate(self, job: Job, given: Values) -> dict[str, str]:
        """Exchange a job's token: the account is bound to the name of the environment that the job is in."""
        _need(job, "id-token", "write")
        account = given["service_account"]
        if not job.environment or not account.endswith(f"@p-{job.environment}.example"):
            raise StepFailed(f"Permission 'iam.serviceAccounts.getAccessToken' denied on {account}")
        if f"p-{job.environment}/" not in given["workload_identity_provider"]:
            raise StepFailed("invalid_target: the provider is another project's")
        if given.get("create_credentials_file") != "false":
            (job.workspace / "gha-creds-0123.json").write_text("{}")
        return {"access_token": "a-google-token"}

    def _log_in(self, _job: Job, given: Values) -> dict[str, str]:
        if given["password"] != "a-google-token" or not given["registry"]:
            raise StepFailed("unauthorized")
        return {}

    def _attest(self, job: Job, given: Values) -> dict[str, str]:
        _need(job, "id-token", "write")
        _need(job, "attestations", "write")
        if "subject-path" in given:
            [file] = job.workspace.glob(given["subject-path"])
            given = given | {"subject-name": file.name, "subject-digest": of_file(file)}
        digest = given["subject-digest"]
        if not digest.startswith("sha256:") or len(digest) != 71 or not given["subject-name"]:
            raise StepFailed(f"subject-digest must be in the format sha256:<hex>: {digest!r}")
        extra = {}
        if "sbom-path" in given:
            content = (job.workspace / given["sbom-path"]).read_bytes()
            extra["sbom"] = "sha256:" + hashlib.sha256(content).hexdigest()
        self.sign(digest, job, **extra)
        return {}

    def _upload(self, job: Job, given: Values) -> dict[str, str]:
        target = self.artifacts / given["name"]
        sources = [job.workspace / line for line in given["path"].split()]
        # The paths' common folder is left out, as the action does.
        root = sources[0] if len(sources) == 1 and sources[0].is_dir() else sources[0].parent
        for source in sources:
            if source.is_dir():
                shutil.copytree(source, target / source.relative_to(root), dirs_exist_ok=True)
            elif source.exists():
                target.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, target / source.relative_to(root))
            elif given.get("if-no-files-found") != "ignore":
                raise StepFailed(f"no files were found: {source}")
        return {}

    def _download(self, job: Job, given: Values) -> dict[str, str]:
        if given.get("run-id", "4711") != "4711":
            raise StepFailed(f"run {given['run-id']}: not found")
        if "run-id" in given:
            _need(job, "actions", "read")
        source = self.artifacts / given["name"]
        if not source.is_dir():
            raise StepFailed(f"artifact not found: {given['name']}")
        shutil.copytree(source, job.workspace / given["path"], dirs_exist_ok=True)
        return {}


def _need(job: Job, right: str, access: str) -> None:
    if job.permissions.get(right) != access:
        raise StepFailed(f"{job.name} lacks {right}: {access}")
