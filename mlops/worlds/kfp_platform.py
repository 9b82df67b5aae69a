"""Settings of the steps' pods that belong to a cluster and not to a use case.

The compiled pipeline is the same in every world. What differs between clusters (the Secret with the store's keys, the
containers' user, the pull policy) goes into the platform document beside it when a run is submitted.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from core.errors import UsageError
from mlops.cluster.access.credentials import ACCESS_KEY, SECRET, SECRET_KEY
from mlops.cluster.access.reach import STORE
from mlops.cluster.settings import PULL_POLICIES
from pipelines.steps import Resources

STORE_INPUTS = frozenset({"source", "registry"})
"""Parameters of the steps that read or write the store; no other step gets the store's keys."""
STORE_SETTINGS = ("AWS_ENDPOINT_URL", "AWS_REGION", "MLOPS_STORE")
STORE_KEYS = {ACCESS_KEY: "AWS_ACCESS_KEY_ID", SECRET_KEY: "AWS_SECRET_ACCESS_KEY"}


@dataclass(frozen=True)
class PodSettings:
    """How the pods of steps run on one cluster."""

    config_map: str = STORE
    """Name of the ConfigMap with the store's address; one key per environment variable."""
    secret: str = SECRET
    """Name of the Secret with the store's keys; empty where a workload identity is used instead."""
    pull_policy: str = "IfNotPresent"
    user: int = 10001
    """Numeric, so that Kubernetes can check that it is not root."""
    cpu: str = ""
    """CPU request of every step, such as `250m`; empty keeps the use case's."""
    memory: str = ""
    """Memory request of every step, such as `512Mi`; empty keeps the use case's."""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "PodSettings":
        """Read MLOPS_STEP_CPU, MLOPS_STEP_MEMORY, MLOPS_PULL_POLICY and MLOPS_STORE_SECRET.

        Raises UsageError, which names the variable, for a value that cannot be used.
        """
        cpu, memory = environment.get("MLOPS_STEP_CPU", ""), environment.get("MLOPS_STEP_MEMORY", "")
        try:
            Resources.model_validate({key: value for key, value in (("cpu", cpu), ("memory", memory)) if value})
        except ValueError as error:
            raise UsageError(
                f"MLOPS_STEP_CPU={cpu!r}, MLOPS_STEP_MEMORY={memory!r}: wanted amounts such as 250m and 512Mi"
            ) from error
        policy = environment.get("MLOPS_PULL_POLICY") or cls.pull_policy
        if policy not in PULL_POLICIES:
            raise UsageError(f"MLOPS_PULL_POLICY={policy!r}: wanted {', '.join(PULL_POLICIES)}")
        return cls(secret=environment.get("MLOPS_STORE_SECRET", cls.secret), pull_policy=policy, cpu=cpu, memory=memory)


def for_cluster(compiled: Path, settings: PodSettings, *, cache: bool = True) -> str:
    """Return the YAML to submit: the compiled pipeline, with a platform document for this cluster.

    The pipeline itself changes only where a person asked for it: no cache, or other requests of CPU and memory.
    """
    documents = list(yaml.load_all(compiled.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader))
    spec = documents[0]
    platform = documents[1] if len(documents) > 1 else {}
    pods = (
        platform.setdefault("platforms", {})
        .setdefault("kubernetes", {})
        .setdefault("deploymentSpec", {})
        .setdefault("executors", {})
    )
    store_users = _store_users(spec)
    for label, executor in spec["deploymentSpec"]["executors"].items():
        if "container" not in executor:
            continue
        pods[label] = {**pods.get(label, {}), **_pod(settings, uses_store=label in store_users)}
        _set_requests(executor["container"], settings)
    if not cache:
        disable_cache(spec)
    return yaml.safe_dump_all([spec, platform], sort_keys=True)


def disable_cache(spec: Mapping[str, Any]) -> None:
    """Let no task of a compiled pipeline take its result from a cache."""
    for task in _tasks(spec):
        task["cachingOptions"] = {}


def containers(compiled: Path) -> list[dict[str, Any]]:
    """Return the containers of a compiled pipeline's executors."""
    spec = next(yaml.load_all(compiled.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader))
    return [
        executor["container"] for executor in spec["deploymentSpec"]["executors"].values() if "container" in executor
    ]


def _pod(settings: PodSettings, *, uses_store: bool) -> dict[str, Any]:
    pod: dict[str, Any] = {
        "imagePullPolicy": settings.pull_policy,
        "securityContext": {"runAsUser": settings.user, "runAsGroup": settings.user, "runAsNonRoot": True},
    }
    if uses_store:
        settings_keys = [{"configMapKey": name, "envVar": name} for name in STORE_SETTINGS]
        pod["configMapAsEnv"] = [{"configMapName": settings.config_map, "keyToEnv": settings_keys}]
    if uses_store and settings.secret:
        keys = [{"secretKey": key, "envVar": name} for key, name in STORE_KEYS.items()]
        pod["secretAsEnv"] = [{"secretName": settings.secret, "keyToEnv": keys}]
    return pod


def _store_users(spec: Mapping[str, Any]) -> set[str]:
    """Return the labels of the executors whose component has one of the `STORE_INPUTS`."""
    labels = set()
    for component in spec["components"].values():
        parameters = component.get("inputDefinitions", {}).get("parameters", {})
        if "executorLabel" in component and STORE_INPUTS & parameters.keys():
            labels.add(component["executorLabel"])
    return labels


def _set_requests(container: dict[str, Any], settings: PodSettings) -> None:
    """Replace the use case's requests by the deployment's, in both spellings that kfp's compiler writes."""
    resources = container.setdefault("resources", {})
    for resource, amount in (("Cpu", settings.cpu), ("Memory", settings.memory)):
        if amount:
            resources[f"resource{resource}Request"] = amount
            resources.pop(f"{resource.lower()}Request", None)


def _tasks(spec: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for component in (spec["root"], *spec["components"].values()):
        yield from component.get("dag", {}).get("tasks", {}).values()
