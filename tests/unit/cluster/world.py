"""A machine with docker, kind and kubectl that only pretend, and everything that bringing a cluster up reads."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlops.cluster.progress import Progress
from mlops.cluster.site import Site
from tests.unit.cluster.standin import Machine

NAME = "ml-in-production"
KFP_IMAGES = (
    "docker.io/alpine:3.23",
    "ghcr.io/kubeflow/kfp-api-server:2.17.0",
    "ghcr.io/kubeflow/kfp-driver:2.17.0",
    "mysql:8.4",
)
OWN = {f"ml-in-production/{group}": f"ml-in-production/{group}:abc" for group in ("data", "tfx", "serving")}
SECRET_VALUE = "a-secret-that-nobody-may-read"


class World:
    """One pretended machine; `state` is what the stand-ins know."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home, self.bin = folder, folder / "home", folder / "bin"
        self.machine = Machine(_healthy(folder))
        self.manifests = write_manifests(folder / "kfp")
        self.overlay = write_overlay(folder / "overlay")
        self.variables = {"MLOPS_KFP_MANIFESTS": str(self.manifests), "MLOPS_PORT_UI": "0", "MLOPS_PORT_SERVER": "0"}
        self.built: list[str] = []
        self.logged: list[str] = []

    @property
    def state(self) -> dict[str, Any]:
        return self.machine.state

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": str(self.bin), "HOME": str(self.folder), "MLOPS_HOME": str(self.home), **self.variables}

    def site(self) -> Site:
        return replace(Site.of(self.environment, lambda: self, _Recorded(self.logged)), overlay=self.overlay)

    def references(self) -> Mapping[str, str]:
        return OWN

    def build(self, names: Sequence[str], log: Any, *, seconds: float) -> None:
        self.state["docker"] |= {OWN[name]: 10**9 for name in names}
        self.built += names

    def fail(self, when: str, **how: Any) -> None:
        """Have every call whose words hold `when` fail, or end its caller with a `signal`."""
        self.machine.rules = [{"when": when, **how}]

    def lines(self, beginning: str = "") -> list[str]:
        return [call.line for call in self.machine.calls if call.line.startswith(beginning)]

    def changes(self) -> list[str]:
        return [call.line for call in self.machine.calls if call.changes]

    def left(self) -> list[str]:
        """Return every file below the store, locks aside."""
        return sorted(
            path.relative_to(self.home).as_posix()
            for path in self.home.rglob("*")
            if path.is_file() and path.suffix != ".lock"
        )

    def text_of_files(self) -> str:
        return "\n".join(path.read_text(errors="replace") for path in self.home.rglob("*") if path.is_file())


class _Recorded(Progress):
    def __init__(self, lines: list[str]) -> None:
        super().__init__(quiet=True)
        self.lines = lines

    def log(self, text: str) -> None:
        self.lines.append(text)


def _healthy(folder: Path) -> dict[str, Any]:
    return {
        "versions": {
            "docker": "28.1.0",
            "engine": "20.10.24+dfsg1",
            "kind": "v0.33.0",
            "kubectl": "v1.33.1",
            "node": "v1.33.1",
        },
        "engine": "up",
        "info": {"NCPU": 2, "MemTotal": 8 * 2**30, "DockerRootDir": str(folder)},
        "docker": {**dict.fromkeys(KFP_IMAGES, 7 * 10**8), "kindest/node:v1.33.1": 10**9, "python:3.11-slim": 10**8},
        "cluster": "",
        "others": [],
        "node": "",
        "ready": False,
        "network": False,
        "labels": {},
        "ports": {},
        "contexts": [],
        "node_images": [],
        "objects": {},
        "pods": {},
        "cpus": "2",
        "log": "the last line",
        "remote": {},
    }


def deployment(
    name: str, namespace: str, containers: Sequence[Mapping[str, Any]], prepare: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    spec = {"containers": list(containers), **({"initContainers": list(prepare)} if prepare else {})}
    template = {"metadata": {"labels": {"app": name}}, "spec": spec}
    metadata = {"name": name, "namespace": namespace}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {"selector": {"matchLabels": {"app": name}}, "template": template},
    }


def write_manifests(root: Path) -> Path:
    """Write what `kubectl kustomize` would render of Kubeflow Pipelines, in short."""
    api = {
        "name": "api",
        "image": KFP_IMAGES[1],
        "imagePullPolicy": "Always",
        "resources": {"requests": {"cpu": "250m", "memory": "500Mi"}},
        "env": [{"name": "V2_DRIVER_IMAGE", "value": KFP_IMAGES[2]}, {"name": "LOG_LEVEL", "value": "info"}],
    }
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "mlpipeline-minio-artifact", "namespace": "kubeflow"},
        "data": _keys(),
    }
    page = {
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": {"name": "ml-pipeline-ui", "namespace": "kubeflow"},
        "spec": {"ports": [{"port": 80}]},
    }
    _write(
        root / "cluster-scoped-resources",
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kubeflow"}},
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "workflows.argoproj.io"},
        },
    )
    prepare = {"name": "wait", "image": KFP_IMAGES[0], "resources": {"requests": {"cpu": "10m"}}}
    _write(
        root / "env" / "platform-agnostic",
        deployment("ml-pipeline", "kubeflow", [api], [prepare]),
        deployment("mysql", "kubeflow", [{"name": "mysql", "image": KFP_IMAGES[3]}]),
        secret,
        page,
    )
    return root


def write_overlay(root: Path) -> Path:
    """Write what `kubectl kustomize` would render of this project's own manifests, in short."""
    container = {
        "name": "server",
        "image": "ml-in-production/serving",
        "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
    }
    store = {
        "AWS_ENDPOINT_URL": "http://seaweedfs.kubeflow:9000",
        "AWS_REGION": "us-east-1",
        "MLOPS_STORE": "s3://mlpipeline/ml-in-production",
    }
    _write(
        root,
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAME}},
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "mlops-store", "namespace": "kubeflow"},
            "data": store,
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "model-server", "namespace": NAME},
            "spec": {"ports": [{"port": 8501}]},
        },
        deployment("model-server", NAME, [container]),
    )
    (root / "kustomization.yaml").write_text("resources: [rendered.yaml]\n")
    return root


def _keys() -> dict[str, str]:
    import base64

    return {
        name: base64.b64encode(value.encode()).decode()
        for name, value in (("accesskey", "somebody"), ("secretkey", SECRET_VALUE))
    }


def _write(folder: Path, *objects: Mapping[str, Any]) -> None:
    folder.mkdir(parents=True)
    (folder / "rendered.yaml").write_text("\n---\n".join(json.dumps(one) for one in objects))
