"""A project whose registry has two versions, with its Model Registry and its endpoint at the fake Vertex AI."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fake_serving import ENDPOINT, FakeServing
from fake_vertex import FakeVertex

from artifacts.model.names import WARM_UP_ROWS
from core.backends.canary import CanaryPlan, Note
from core.backends.object_registry import ObjectRegistry
from core.backends.pointer import Pointer
from core.errors import MlopsError
from mlops.actions.endpoint.target import Target
from mlops.actions.endpoint.verbs import Waiting
from mlops.actions.model_mirror import Mirror
from mlops.worlds.vertex.deployment import Deployment
from mlops.worlds.vertex.models_api import ModelsApi
from tests.loopback import Loopback
from tests.unit.backends.registries import model

IMAGE = f"europe-west1-docker.pkg.dev/central/images/ml-in-production/serving@sha256:{'7' * 64}"
NAME = "flight_delay"
NOTE = Note("somebody", "a try")


def settings(address: str, url: str) -> dict[str, Any]:
    """Return a deployment with an endpoint."""
    return {
        "project": "my-project",
        "region": "europe-west1",
        "root": address,
        "service_account": "pipelines@my-project.iam.gserviceaccount.com",
        "registry": "europe-west1-docker.pkg.dev/central/images",
        "serving": {"service_account": "serving@my-project.iam.gserviceaccount.com", "endpoints": {NAME: ENDPOINT}},
        "api": url,
    }


@dataclass
class Project:
    """What a test needs of it."""

    vertex: FakeVertex
    loopback: Loopback
    settings: dict[str, Any]
    scratch: Path
    image: str = IMAGE
    lines: list[str] = field(default_factory=list)

    @property
    def serving(self) -> FakeServing:
        return self.vertex.serving

    @property
    def registry(self) -> ObjectRegistry:
        return ObjectRegistry(f"{self.settings['root']}/models", self.scratch / "cache")

    @property
    def mirror(self) -> Mirror:
        deployment = Deployment.of({"MLOPS_DEPLOYMENT": json.dumps(self.settings)})
        return Mirror(ModelsApi(deployment), self.registry, lambda: self.image, self.lines.append)

    @property
    def target(self) -> Target:
        """The endpoint as a new process opens it."""
        mirror = self.mirror
        return Target(NAME, mirror.api.deployment, mirror.registry, mirror, self.lines.append)

    def publish(self, content: str, *, rows: int = 3) -> Pointer:
        """Publish a version, with rows of its own."""
        folder = model(self.scratch / f"model-{content}", content)
        if rows:
            (folder / WARM_UP_ROWS).write_text("".join(f'{{"hour": {at}}}\n' for at in range(rows)))
        version = self.registry.publish(NAME, folder, {"run": "run-1"})
        return Pointer(version.version, version.digest)

    def count(self, canary: str = "2", **of_canary: int) -> None:
        """Let Cloud Monitoring have 20,000 good answers of each deployed model, but for the canary's."""
        for identity in self.serving.deployed:
            is_canary = self.serving.version_of(identity) == canary
            self.serving.answered[identity] = dict(of_canary) if is_canary and of_canary else {"200": 20_000}


def plan(*steps: float, bake: float = 0.0) -> CanaryPlan:
    return CanaryPlan(steps=steps or (5.0, 25.0, 100.0), bake_seconds=bake)


def later(step_seconds: float = 1200.0, override: str = "") -> Waiting:
    """Look some minutes after each step began, as the metrics come by the minute."""
    return Waiting(step_seconds, override, lambda: datetime.now(UTC) + timedelta(minutes=10))


class Killed(MlopsError):
    """The process ended here."""
