"""Vertex AI in this process, over HTTP: jobs and what is served, validated as the service validates them."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from fake_refusal import Refused
from fake_refusal import check as _check
from fake_serving import NUMBERED, PARENT, FakeServing

from tests.loopback import Answer, Request

_LABEL = re.compile(r"[a-z0-9_-]{0,63}")
_LABEL_KEY = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_TYPES = {
    "STRING": str,
    "NUMBER_INTEGER": (int, float),
    "NUMBER_DOUBLE": (int, float),
    "BOOLEAN": bool,
    "STRUCT": dict,
    "LIST": list,
}


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass
class FakeVertex:
    """The jobs of one project, and what it serves."""

    serving: FakeServing = field(default_factory=FakeServing)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    services: set[str] = field(default_factory=lambda: {"aiplatform", "artifactregistry", "logging", "storage"})
    permissions: set[str] | None = None
    """What the account may do; None: everything."""
    is_granted_by_folder: bool = False
    """Whether it may use objects in folders of the bucket only."""
    repositories: set[str] = field(default_factory=lambda: {"images"})
    quotas: dict[str, dict[str, int]] = field(
        default_factory=lambda: {"custom_model_training_cpus": {"": 42}, "custom_model_serving_cpus": {"": 30}}
    )
    """Quota -> region -> limit; the region "" is any that is not named, and -1 is no limit."""
    on_look: list[Any] = field(default_factory=list)
    """Called one by one, at each look at a job, before it is answered."""

    def answer(self, request: Request) -> Answer:
        """Answer one request."""
        self.calls.append((request.method, request.path))
        try:
            return Answer.of(self._routed(request))
        except Refused as refused:
            return refused.answer

    def _routed(self, request: Request) -> Any:
        path = unquote(request.path).removeprefix("/v1/")
        if re.match(r"projects/[^/]+/locations/[^/]+/(models|endpoints)|/v3/projects/my-project/timeSeries", path):
            return self.serving.routed(request, path)
        if path.startswith(f"{PARENT}/pipelineJobs"):
            return self._pipeline_jobs(request, path.removeprefix(f"{PARENT}/pipelineJobs").removeprefix("/"))
        return self._elsewhere(request, path)

    def _pipeline_jobs(self, request: Request, identity: str) -> Any:
        if request.method == "POST" and not identity:
            return self._create(request.query.get("pipelineJobId", ""), request.json)
        name, _, verb = identity.partition(":")
        if name not in self.jobs:
            raise Refused(404, f"The PipelineJob {identity} does not exist.")
        if verb == "cancel":
            _check("end" not in self.jobs[name]["state"].lower(), "ended")
            self.end(name, "CANCELLED")
            return {}
        if self.on_look:
            self.on_look.pop(0)(name)
        return self.jobs[name]

    def _create(self, identity: str, job: dict[str, Any]) -> Any:
        _check(re.fullmatch(r"[a-z][-a-z0-9]{0,127}", identity), f"Invalid pipeline job id {identity!r}")
        if identity in self.jobs:
            raise Refused(409, f"The PipelineJob {identity} already exists.")
        validate(job)
        made = {**job, "name": f"{NUMBERED}/pipelineJobs/{identity}", "state": "PIPELINE_STATE_RUNNING"}
        made |= {"createTime": now(), "updateTime": now(), "jobDetail": {"taskDetails": [_root(job)]}}
        self.jobs[identity] = made
        return made

    def task(self, job: str, name: str, state: str, parent: int = 1, **more: Any) -> int:
        """Record a task, with its outputs by name and more fields; return its id."""
        details = self.jobs[job]["jobDetail"]["taskDetails"]
        number = len(details) + 1
        outputs = {
            key: {"artifacts": [{"uri": uri, "schemaTitle": "system.Artifact"}]}
            for key, uri in more.pop("outputs", {}).items()
        }
        times = {"createTime": now(), "startTime": now()} | (
            {"endTime": now()} if state not in {"PENDING", "RUNNING"} else {}
        )
        details.append(
            {
                "taskId": str(number),
                "parentTaskId": str(parent),
                "taskName": name,
                "state": state,
                "outputs": outputs,
                **times,
                **more,
            }
        )
        return number

    def end(self, job: str, state: str, message: str = "") -> None:
        """End a job."""
        self.jobs[job] |= {"state": f"PIPELINE_STATE_{state}", "endTime": now(), "updateTime": now()}
        if message:
            self.jobs[job]["error"] = {"code": 9, "message": message}

    def _elsewhere(self, request: Request, path: str) -> Any:
        """Answer for the other services that the checks ask."""
        if "/consumerQuotaMetrics/" in path:
            return self._quota(path.rpartition("/")[2])
        if path.endswith("services:batchGet"):
            names = [f"projects/123456/services/{name}.googleapis.com" for name in sorted(self.services)]
            return {"services": [{"name": name, "state": "ENABLED"} for name in names]}
        if path.endswith(":testIamPermissions"):
            asked = request.json["permissions"]
            return {"permissions": [one for one in asked if self.permissions is None or one in self.permissions]}
        if path.startswith("/storage/v1/b/"):
            if not path.startswith("/storage/v1/b/mlops-tests/"):
                raise Refused(404, "The specified bucket does not exist.")
            known = {f"storage.objects.{verb}" for verb in ("create", "delete", "get", "list")}
            if self.is_granted_by_folder and "/managedFolders/" not in path:
                known = set()
            return {"permissions": sorted(known if self.permissions is None else known & self.permissions)}
        if "/repositories/" in path:
            if path.rpartition("/")[2] not in self.repositories:
                raise Refused(404, "Requested entity was not found.")
            return {"format": "DOCKER"}
        raise Refused(404, f"{request.method} {path}")

    def _quota(self, name: str) -> Any:
        """Answer with the limits of a quota; as in Google's JSON, numbers are texts and zeros are left out."""
        if self.permissions is not None and "serviceusage.quotas.get" not in self.permissions:
            raise Refused(403, "Permission denied to get consumer quota metric.")
        if name not in self.quotas:
            raise Refused(404, "Requested entity was not found.")
        buckets = [
            ({"dimensions": {"region": region}} if region else {}) | ({"effectiveLimit": str(limit)} if limit else {})
            for region, limit in self.quotas[name].items()
        ]
        limit = {"unit": "1/{project}/{region}", "isPrecise": True, "quotaBuckets": buckets}
        zones = {"unit": "1/{project}/{zone}", "quotaBuckets": [{"effectiveLimit": "1"}]}
        return {"metric": f"aiplatform.googleapis.com/{name}", "consumerQuotaLimits": [zones, limit]}


def validate(job: dict[str, Any]) -> None:
    """Refuse a job as the service does."""
    for key, value in job.get("labels", {}).items():
        _check(_LABEL_KEY.fullmatch(key) and _LABEL.fullmatch(value), f"Invalid label {key}={value}")
    config, spec = job.get("runtimeConfig", {}), job.get("pipelineSpec", {})
    _check(
        re.match(r"gs://[a-z0-9][a-z0-9._-]+", config.get("gcsOutputDirectory", "")), "gcs_output_directory is required"
    )
    _check(job.get("serviceAccount"), "this project allows no default account")
    _check("platforms" not in spec and spec.get("schemaVersion", "").startswith("2."), "Invalid pipeline spec")
    _check(re.fullmatch(r"[a-z0-9][a-z0-9-]{0,127}", spec["pipelineInfo"]["name"]), "Invalid pipeline name")
    _check(not (job.get("network") and job.get("pscInterfaceConfig")), "network and PSC interface exclude each other")
    declared = spec["root"].get("inputDefinitions", {}).get("parameters", {})
    given = config.get("parameterValues", {})
    unknown = given.keys() - declared.keys()
    _check(not unknown, f"The pipeline parameter {sorted(unknown)} is not found in the pipeline job input definitions.")
    for name, parameter in declared.items():
        _check(name in given or parameter.get("isOptional") or "defaultValue" in parameter, f"Missing parameter {name}")
        if name in given:
            _check(isinstance(given[name], _TYPES[parameter["parameterType"]]), f"Parameter {name}: wrong type")
    for executor in spec["deploymentSpec"]["executors"].values():
        resources = executor.get("container", {}).get("resources", {})
        _check(
            resources.get("cpuLimit", 1) <= 96 and resources.get("memoryLimit", 1) <= 624,
            "No machine type is that large",
        )
        kind = resources.get("accelerator", {}).get("type", "NVIDIA_")
        _check(kind.startswith(("NVIDIA_", "TPU_")), f"Unknown accelerator {kind}")


def _root(job: dict[str, Any]) -> dict[str, Any]:
    name = job["pipelineSpec"]["pipelineInfo"]["name"]
    return {"taskId": "1", "taskName": name, "state": "RUNNING", "createTime": now(), "startTime": now()}
