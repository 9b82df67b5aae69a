"""Checks that a deployment on Google Cloud has what `mlops --at vertex` needs; none of them changes anything."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from core.errors import MlopsError, UsageError
from core.finding import Finding
from mlops.worlds.vertex import quotas
from mlops.worlds.vertex.deployment import Deployment
from mlops.worlds.vertex.rest import Rest

APIS = ("aiplatform", "artifactregistry", "logging", "storage")
"""Services that the project must have enabled, without `.googleapis.com`."""
JOBS = ("aiplatform.pipelineJobs.cancel", "aiplatform.pipelineJobs.create", "aiplatform.pipelineJobs.get")
OBJECTS = (
    "storage.objects.create",
    "storage.objects.delete",
    "storage.objects.get",
    "storage.objects.list",
)
ACT_AS = "iam.serviceAccounts.actAs"
ENDPOINTS = (
    "aiplatform.endpoints.deploy",
    "aiplatform.endpoints.get",
    "aiplatform.endpoints.predict",
    "aiplatform.endpoints.undeploy",
    "aiplatform.endpoints.update",
    "aiplatform.models.get",
    "aiplatform.models.list",
    "aiplatform.models.update",
    "aiplatform.models.upload",
    "aiplatform.operations.list",
    "monitoring.timeSeries.list",
)
"""What `mlops models sync` and `mlops endpoint` need."""


def examine(environment: dict[str, str]) -> Iterator[Finding]:
    """Check the settings, then with them the project, permissions and quotas, the bucket and the registry."""
    try:
        deployment = Deployment.of(environment)
    except UsageError as error:
        yield Finding("deployment", False, str(error), "correct the file; see docs/vertex.md")
        return
    yield Finding("deployment", True, f"{deployment.project} in {deployment.region}")
    checks = Checks(deployment)
    yield checks.apis()
    yield checks.jobs()
    yield checks.account()
    yield checks.bucket()
    yield checks.registry()
    yield from quotas.examine(deployment, Rest(deployment))
    if deployment.serving is not None:
        yield checks.serving_permissions()
        yield checks.serving_account(deployment.serving.service_account)
        for model, endpoint in deployment.serving.endpoints.items():
            yield checks.endpoint(model, endpoint)


class Checks:
    """The checks of one deployment; each is a Finding that names the output of Terraform to correct."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._rest = Rest(deployment)

    def apis(self) -> Finding:
        """Check that the project has the services enabled."""

        def enabled() -> Finding:
            wanted = [*APIS, *(["monitoring"] if self._deployment.serving else [])]
            names = "&".join(
                f"names=projects/{self._deployment.project}/services/{api}.googleapis.com" for api in wanted
            )
            answer = self._ask(
                "GET", "serviceusage", f"/v1/projects/{self._deployment.project}/services:batchGet?{names}"
            )
            on = {one["name"].rpartition("/")[2] for one in answer.get("services", []) if one.get("state") == "ENABLED"}
            missing = [f"{api}.googleapis.com" for api in wanted if f"{api}.googleapis.com" not in on]
            fix = f"gcloud services enable {' '.join(missing)} (Terraform: module services)" if missing else ""
            return Finding("APIs", not missing, f"not enabled: {', '.join(missing)}" if missing else "enabled", fix)

        return self._found("APIs", enabled, "grant roles/serviceusage.serviceUsageViewer, or check mlops.project")

    def jobs(self) -> Finding:
        """Check that this account may create, read and cancel pipeline jobs."""
        path = f"/v1/projects/{self._deployment.project}:testIamPermissions"
        fix = "grant roles/aiplatform.user on the project (Terraform: module identity), or check mlops.project"
        return self._permitted("pipeline jobs", "cloudresourcemanager", path, JOBS, fix)

    def account(self) -> Finding:
        """Check that this account may run steps as the pipelines' account."""
        account = self._deployment.service_account
        path = f"/v1/projects/-/serviceAccounts/{account}:testIamPermissions"
        fix = f"grant roles/iam.serviceAccountUser on {account} (Terraform: output mlops.service_account)"
        return self._permitted("service account", "iam", path, (ACT_AS,), fix)

    def serving_permissions(self) -> Finding:
        """Check that this account may mirror models, and move the traffic of endpoints."""
        path = f"/v1/projects/{self._deployment.project}:testIamPermissions"
        fix = "give this account the duty deploy (Terraform: module identity, permissions.yaml), or check mlops.project"
        return self._permitted("endpoints", "cloudresourcemanager", path, ENDPOINTS, fix)

    def serving_account(self, account: str) -> Finding:
        """Check that this account may run containers as the serving account."""
        path = f"/v1/projects/-/serviceAccounts/{account}:testIamPermissions"
        fix = f"grant roles/iam.serviceAccountUser on {account} (Terraform: output mlops.serving.service_account)"
        return self._permitted("serving account", "iam", path, (ACT_AS,), fix)

    def endpoint(self, model: str, name: str) -> Finding:
        """Check that a model's endpoint is there."""
        fix = "create it (Terraform: module endpoint, output mlops.serving.endpoints)"

        def there() -> Finding:
            found = self._ask("GET", "aiplatform", f"/v1/{name}")
            return Finding(f"endpoint {model}", True, f"{len(found.get('deployedModels', []))} deployed models")

        return self._found(f"endpoint {model}", there, fix)

    def bucket(self) -> Finding:
        """Check that the bucket is there, and that this account may write it, or its models: a grant by folder."""
        bucket, _, prefix = self._deployment.root.removeprefix("gs://").partition("/")
        models = quote(f"{prefix}/models/".lstrip("/"), safe="")
        query = "&".join(f"permissions={permission}" for permission in OBJECTS)
        fix = f"create it, or grant roles/storage.objectUser on gs://{bucket} (Terraform: output mlops.root)"

        def permitted() -> Finding:
            answer = self._ask("GET", "storage", f"/storage/v1/b/{bucket}/iam/testPermissions?{query}")
            if set(OBJECTS) - set(answer.get("permissions", [])):
                with suppress(MlopsError):  # a bucket without such a folder: its own answer counts
                    path = f"/storage/v1/b/{bucket}/managedFolders/{models}/iam/testPermissions?{query}"
                    answer = self._ask("GET", "storage", path)
            return _permissions("bucket", OBJECTS, answer, fix)

        return self._found("bucket", permitted, fix)

    def registry(self) -> Finding:
        """Check that the registry of images is there; one outside Artifact Registry is not asked."""
        host, _, rest = self._deployment.registry.partition("/")
        location = host.removesuffix("-docker.pkg.dev")
        if location == host:
            return Finding("registry", True, f"{host} is not checked", required=False)
        project, repository, *_ = *rest.split("/"), ""
        path = f"/v1/projects/{project}/locations/{location}/repositories/{quote(repository)}"
        fix = "create it, or grant roles/artifactregistry.reader (Terraform: output mlops.registry)"

        def there() -> Finding:
            answer = self._ask("GET", "artifactregistry", path)
            ok = answer.get("format") == "DOCKER"
            return Finding("registry", ok, f"{self._deployment.registry}: {answer.get('format')}", "" if ok else fix)

        return self._found("registry", there, fix)

    def _permitted(self, name: str, service: str, path: str, wanted: tuple[str, ...], fix: str) -> Finding:
        return self._found(
            name,
            lambda: _permissions(name, wanted, self._ask("POST", service, path, {"permissions": list(wanted)}), fix),
            fix,
        )

    def _found(self, name: str, check: Callable[[], Finding], fix: str) -> Finding:
        """Return the result of a check; one that got no answer did not pass."""
        try:
            return check()
        except MlopsError as error:
            return Finding(name, False, str(error), fix)

    def _ask(self, method: str, service: str, path: str, body: Any = None) -> dict[str, Any]:
        return self._rest.ask(method, service, path, body)


def _permissions(name: str, wanted: tuple[str, ...], answer: dict[str, Any], fix: str) -> Finding:
    missing = sorted(set(wanted) - set(answer.get("permissions", [])))
    return Finding(
        name, not missing, f"missing: {', '.join(missing)}" if missing else "permitted", fix if missing else ""
    )
