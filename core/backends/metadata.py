"""Lineage: the facts that are recorded about a finished run, and the lineage of a published version."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from core.errors import MlopsError

BACKENDS = {"sqlite": "core.backends.local_metadata:LocalMetadata"}
"""Kind of store -> module:class, imported when a store is opened."""

MODEL_VERSION = "ModelVersion"
"""Artifact type of a published version."""


class LineageError(MlopsError):
    """The metadata store cannot be read or written, or has no record of a version."""


@dataclass(frozen=True)
class ArtifactFacts:
    """One artifact that an execution read or wrote."""

    type: str
    uri: str
    digest: str = ""
    """Digest of the content; empty when it is unknown."""
    properties: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TaskFacts:
    """One task of a run: an execution, or a cached result."""

    name: str
    component: str
    state: str
    cached: bool = False
    execution: str = ""
    """Id of the execution that produced the outputs; one of an earlier run when cached."""
    started: datetime | None = None
    seconds: float = 0.0
    parameters: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, ArtifactFacts] = field(default_factory=dict)
    outputs: Mapping[str, ArtifactFacts] = field(default_factory=dict)


@dataclass(frozen=True)
class RunFacts:
    """One run that has ended, whether it succeeded or not."""

    run_id: str
    pipeline: str
    state: str
    started: datetime
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """The pinned parameters: source, span, data digest, champion."""
    code: Mapping[str, str] = field(default_factory=dict)
    """Digests of the stages' sources and of the compiled pipeline."""
    tasks: tuple[TaskFacts, ...] = ()


@dataclass(frozen=True)
class Lineage:
    """Where a published version comes from."""

    name: str
    version: int
    digest: str
    path: str
    run: RunFacts
    """The run that published the version, with the tasks that it depends on, in the order of their executions."""

    @property
    def data(self) -> tuple[ArtifactFacts, ...]:
        """The datasets that the version was made from."""
        found: list[ArtifactFacts] = []
        for task in self.run.tasks:
            found += [artifact for artifact in task.outputs.values() if artifact.type.endswith("Dataset")]
        return tuple(found)

    def task(self, component: str) -> TaskFacts:
        """Return the task of a component; LineageError when the version does not depend on one."""
        for task in self.run.tasks:
            if task.component == component:
                return task
        raise LineageError(f"{self.name} version {self.version} does not come from a task of {component}")


class Metadata(Protocol):
    """Records runs, so that a version can be traced back to the run that published it."""

    def record(self, run: RunFacts) -> None:
        """Record a run; recording it again, for example after it was resumed, updates the record."""

    def lineage(self, name: str, version: int, digest: str) -> Lineage:
        """Trace a published version back; LineageError when there is no record of it."""


def release(name: str, version: int, digest: str, path: str) -> ArtifactFacts:
    """Return a published version as an output artifact of the task that published it."""
    return ArtifactFacts(MODEL_VERSION, path, digest, {"name": name, "version": version})


def open_metadata(path: Path, kind: str = "sqlite") -> Metadata:
    """Open the metadata store in a file; LineageError for a kind that no backend knows."""
    if kind not in BACKENDS:
        raise LineageError(f"wanted a kind of metadata store among {', '.join(BACKENDS)}, got {kind!r}")
    module, _, name = BACKENDS[kind].partition(":")
    metadata: Metadata = getattr(importlib.import_module(module), name)(path)
    return metadata
