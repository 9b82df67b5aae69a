"""A server in the process of its tests."""

from dataclasses import dataclass
from pathlib import Path

from starlette.testclient import TestClient

from core.backends.registry import ModelVersion, Registry
from serving.limits import Limits
from serving.versions.manager import ModelManager

LIMITS = Limits(body_bytes=200_000, rows=64, depth=20, body_seconds=0.5, header_seconds=0.5)


@dataclass(frozen=True)
class InProcessServer:
    """A registry and the application over it, polled by the test and not by a clock."""

    root: Path
    registry: Registry
    manager: ModelManager
    client: TestClient

    def push(self, name: str, saved_model: Path) -> ModelVersion:
        version = self.registry.publish(name, saved_model, {})
        self.registry.promote(name, version.version)
        return version
