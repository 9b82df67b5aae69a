"""Lineage: what is recorded of a finished run, and what is answered about a model in production."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from core.errors import MlopsError

BACKENDS = {"sqlite": "core.backends.local_metadata:LocalMetadata"}
"""Kind of store -> module:class, imported when it is opened."""

MODEL_VERSION = "ModelVersion"
"""Type of the artifact that stands for a published version."""


class LineageError(MlopsError):
    """The metadata store cannot be used, or knows nothing of what was asked."""


@dataclass(frozen=True)
class ArtifactFacts:
    """One artifact that an execution read or wrote."""

    type: str
    uri: str
    digest: str = ""
    """Digest of the content; empty where it is not known."""
    properties: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TaskFacts:
    """One task of a run: an execution, or one that was answered from the cache."""

    name: str
    component: str
    state: str
    cached: bool = False
    execution: str = ""
    """Id of the execution that made the outputs; of an earlier run when cached."""
    started: datetime | None = None
    seconds: float = 0.0
    parameters: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, ArtifactFacts] = field(default_factory=dict)
    outputs: Mapping[str, ArtifactFacts] = field(default_factory=dict)


@dataclass(frozen=True)
class RunFacts:
    """One run that has come to its end, however it ended."""

    run_id: str
    pipeline: str
    state: str
    started: datetime
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """What the run was pinned to: source, span, data digest, champion."""
    code: Mapping[str, str] = field(default_factory=dict)
    """Digests of what ran: the stages' sources, the compiled pipeline."""
    tasks: tuple[TaskFacts, ...] = ()


@dataclass(frozen=True)
class Lineage:
    """Where a published version comes from."""

    name: str
    version: int
    digest: str
    path: str
    run: RunFacts
    """The run that made the version, with the tasks that the version depends on, in the order of their making."""

    @property
    def data(self) -> tuple[ArtifactFacts, ...]:
        """The datasets that went into it."""
        return tuple(
            artifact
            for task in self.run.tasks
            for artifact in task.outputs.values()
            if artifact.type.endswith("Dataset")
        )

    def task(self, component: str) -> TaskFacts:
        """Return the task of a component; LineageError when the version does not depend on one."""
        for task in self.run.tasks:
            if task.component == component:
                return task
        raise LineageError(f"{self.name} version {self.version} does not come from a task of {component}")


class Metadata(Protocol):
    """Keeps what runs did, so that a version can be traced back."""

    def record(self, run: RunFacts) -> None:
        """Record a run; the same run again, also after it was resumed, updates what is recorded and doubles nothing."""

    def lineage(self, name: str, version: int, digest: str) -> Lineage:
        """Trace a published version back; LineageError when nothing is recorded of it."""


def release(name: str, version: int, digest: str, path: str) -> ArtifactFacts:
    """Describe a published version as the output of the task that published it."""
    return ArtifactFacts(MODEL_VERSION, path, digest, {"name": name, "version": version})


def open_metadata(path: Path, kind: str = "sqlite") -> Metadata:
    """Open the metadata store in a file; LineageError for a kind that no backend knows."""
    if kind not in BACKENDS:
        raise LineageError(f"wanted a kind of metadata store among {', '.join(BACKENDS)}, got {kind!r}")
    module, _, name = BACKENDS[kind].partition(":")
    metadata: Metadata = getattr(importlib.import_module(module), name)(path)
    return metadata
