"""The settings of one deployment on Google Cloud: one file, which Terraform's output `mlops` has as JSON."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from core import objects
from core.errors import UsageError, did_you_mean
from core.settings import Settings

VARIABLE = "MLOPS_DEPLOYMENT"
_MAKE = "mlops cloud up dev"
_ACCOUNT = r"^[^@\s]+@[^@\s]+\.iam\.gserviceaccount\.com$"


class StepSettings(Settings):
    """The resources of one stage's steps; what is not set stays as the use case has it.

    Vertex AI takes the smallest machine type that has them.
    """

    cpu: Annotated[float, Field(gt=0, le=96)] | None = None
    """Processors: the step's limit, the only amount that Vertex AI reads."""
    memory_gb: Annotated[float, Field(gt=0, le=624)] | None = None
    """Limit in gigabytes."""
    accelerator: Annotated[str, Field(pattern=r"^(NVIDIA_[A-Z0-9_]+|TPU_[A-Z0-9_]+)$")] | None = None
    """Vertex AI's name of an accelerator, such as `NVIDIA_TESLA_T4`; Kubernetes has other names."""
    accelerators: Annotated[int, Field(ge=1, le=16)] = 1
    """How many of them; without effect where none is named."""


class ServingSettings(Settings):
    """How models are deployed behind endpoints; Terraform's output has `service_account` and `endpoints`."""

    service_account: Annotated[str, Field(pattern=_ACCOUNT)]
    """The account that the containers run as."""
    endpoints: dict[str, Annotated[str, Field(pattern=r"^projects/[^/]+/locations/[^/]+/endpoints/[0-9]+$")]]
    """Use case -> resource name of its endpoint."""
    machine: Annotated[str, Field(pattern=r"^[a-z0-9]+-[a-z0-9]+(-[0-9a-z]+)*$")] = "e2-standard-2"
    """The machine type of a replica."""
    accelerator: Annotated[str, Field(pattern=r"^NVIDIA_[A-Z0-9_]+$")] | None = None
    """Vertex AI's name of an accelerator, such as `NVIDIA_TESLA_T4`."""
    accelerators: Annotated[int, Field(ge=1, le=16)] = 1
    """How many of them a replica has; without effect where none is named."""
    min_replicas: Annotated[int, Field(ge=1, le=1000)] = 1
    """Replicas that always run, and are paid for."""
    max_replicas: Annotated[int, Field(ge=1, le=1000)] = 2
    """Most replicas; Vertex AI adds some while their processors are busier than `cpu_percent`."""
    cpu_percent: Annotated[int, Field(ge=1, le=100)] = 60

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.max_replicas < self.min_replicas:
            raise ValueError(f"max_replicas: wanted {self.min_replicas} or more, got {self.max_replicas}")
        return self


class Deployment(Settings):
    """One deployment on Vertex AI; field names are those of Terraform's output `mlops`."""

    project: Annotated[str, Field(pattern=r"^[a-z][a-z0-9.:-]{4,61}[a-z0-9]$")]
    region: Annotated[str, Field(pattern=r"^[a-z]+-[a-z]+[0-9]+$")]
    root: str
    """Address in Cloud Storage of data, models and artifacts, such as `gs://bucket/ml-in-production`."""
    service_account: Annotated[str, Field(pattern=_ACCOUNT)]
    """The account that the steps run as."""
    registry: Annotated[str, Field(pattern=r"^[a-z0-9.-]+(:[0-9]+)?/[^@:\s]+[^/@:\s]$")]
    """Where the images were pushed to, such as `europe-west1-docker.pkg.dev/project/images`."""
    network: Annotated[str, Field(pattern=r"^projects/[^/]+/global/networks/[^/]+$")] | None = None
    """A network that is peered with Google's services; not together with `network_attachment`."""
    network_attachment: Annotated[str, Field(min_length=1)] | None = None
    """A Private Service Connect network attachment."""
    encryption_key: Annotated[str, Field(pattern=r"^projects/.+/cryptoKeys/[^/]+$")] | None = None
    """A Cloud KMS key for what Vertex AI itself keeps."""
    steps: dict[str, StepSettings] = Field(default_factory=dict)
    """Resources by stage, such as `train_model`."""
    serving: ServingSettings | None = None
    """How models are deployed; None where the deployment has no endpoint."""
    api: Annotated[str, Field(pattern=r"^https?://[^/@\s]+$")] | None = None
    """Another address of Vertex AI's interface; one with `http://` stands in for all of Google's services."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.root.startswith("gs://"):
            raise ValueError(f"root: wanted an address such as gs://bucket/folder, got {self.root!r}")
        objects.checked(self.root)
        if self.network and self.network_attachment:
            raise ValueError("wanted network or network_attachment, got both")
        return self

    @property
    def parent(self) -> str:
        """The resource that jobs and schedules belong to."""
        return f"projects/{self.project}/locations/{self.region}"

    @property
    def endpoint(self) -> str:
        """The address of Vertex AI's interface."""
        return self.api or f"https://{self.region}-aiplatform.googleapis.com"

    @property
    def is_stand_in(self) -> bool:
        """Whether the address is not Google's."""
        return self.endpoint.startswith("http://")

    def endpoint_of(self, model: str) -> tuple[str, ServingSettings]:
        """Return the resource name of a model's endpoint, and how models are deployed there; UsageError without one."""
        if self.serving is None:
            raise UsageError(f"serving is missing: Terraform's output mlops.serving ({_MAKE}); see docs/vertex.md")
        if model not in self.serving.endpoints:
            raise UsageError(
                f"serving.endpoints: no endpoint of {model}{did_you_mean(model, self.serving.endpoints)}; give it one "
                "in `usecases` of the environment's .tfvars"
            )
        return self.serving.endpoints[model], self.serving

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Read the file that MLOPS_DEPLOYMENT names, or the JSON that it holds.

        Raises UsageError, which names the missing output of Terraform, for a deployment that cannot be used.
        """
        named = environment.get(VARIABLE, "")
        if not named:
            raise UsageError(f"--at vertex: set {VARIABLE} to a deployment's settings, which Terraform writes: {_MAKE}")
        if named.startswith("{"):
            return cls._parsed(named, VARIABLE)
        try:
            return cls._parsed(Path(named).read_text(encoding="utf-8"), named)
        except OSError as error:
            raise UsageError(f"{VARIABLE}={named}: {error.strerror}; Terraform writes it: {_MAKE}") from None

    @classmethod
    def _parsed(cls, text: str, name: str) -> Self:
        try:
            value: Any = yaml.safe_load(text)
            if not isinstance(value, dict):
                raise UsageError(f"{name}: wanted settings by name, got {type(value).__name__}; see docs/vertex.md")
            return cls.model_validate({key: one for key, one in value.items() if one not in (None, "")})
        except yaml.YAMLError as error:
            raise UsageError(f"{name}: wanted YAML or JSON, got {error}") from None
        except ValidationError as error:
            raise UsageError(f"{name}: {'; '.join(map(_explained, error.errors()))}") from None
        except UsageError as error:
            raise UsageError(f"{name}: {error}" if name not in str(error) else str(error)) from None

    def as_json(self) -> str:
        """Return the settings as one line, for the environment of a step."""
        return json.dumps(self.model_dump(exclude_defaults=True), sort_keys=True)


def _explained(error: Any) -> str:
    field = ".".join(map(str, error["loc"]))
    if error["type"] == "missing":
        return f"{field} is missing: Terraform's output mlops.{field}"
    if error["type"] == "extra_forbidden":
        return f"{field} is no setting of a deployment"
    return f"{field}: {error['msg']}, got {error['input']!r}" if field else str(error["msg"])
