"""The `distribution` section: how many processes train together, and what they run on in each world."""

from typing import Annotated

from pydantic import Field

from core.settings import Settings

Amount = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(m|[KMGT]i?)?$")]
"""Processors or bytes as Kubernetes writes them: `2`, `500m` or `4Gi`."""


class TrainingOperator(Settings):
    """A TFJob of Kubeflow's Training Operator, in the namespace of the step; each process is a pod."""

    cpu: Amount = "2"
    memory: Amount = "4Gi"
    gpus: int = Field(default=0, ge=0, le=1)
    """GPUs (`nvidia.com/gpu`) of each process."""
    service_account: str = "default"
    """It needs no rights on the Kubernetes API."""
    config_map: str = "mlops-store"
    """With the store's address; one key per environment variable."""
    secret: str = "mlpipeline-minio-artifact"  # noqa: S105 - a name
    """With the store's keys, `accesskey` and `secretkey`; empty where a workload identity is used instead."""


class WorkerPools(Settings):
    """A custom job of Vertex AI with one machine for each process."""

    region: str
    service_account: str
    """The account that the processes run as, such as `pipelines@my-project.iam.gserviceaccount.com`."""
    machine_type: str = "n1-standard-8"
    accelerator_type: str = ""
    """Such as `NVIDIA_TESLA_T4`; each machine has one. Empty: none."""
    network: str = ""
    """Full name of the network that machines are peered with; empty: none."""


class Distribution(Settings):
    """Training in several processes."""

    workers: int = Field(ge=2, le=1000)
    """How many processes; each reads a part of the shards, and a batch has rows of all parts. The weights depend on
    this number."""
    attempts: int = Field(default=2, ge=1, le=10)
    """How often the processes are started when one of them dies; a training continues from its checkpoint."""
    minutes: float = Field(default=24 * 60, gt=0, le=30 * 24 * 60)
    """How long one attempt may take."""
    work: str = Field(default="", pattern=r"^(|/.+|s3://.+|gs://.+)$")
    """Folder that the step and all processes see, for what they exchange; unset: beside the model."""
    kfp: TrainingOperator | None = None
    vertex: WorkerPools | None = None
