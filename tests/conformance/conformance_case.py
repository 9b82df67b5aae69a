"""One case of the conformance suite: a pipeline, and what every backend must make of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SUCCEEDED, FAILED, SKIPPED, NEVER = "SUCCEEDED", "FAILED", "SKIPPED", "UPSTREAM_FAILED"
CASES: list["Case"] = []


@dataclass(frozen=True)
class Case:
    """Expectations are stated once; a backend is held to those that it can tell about."""

    name: str
    pipeline: Any
    tasks: Mapping[str, str]
    """Path -> state of every task; iterations count from 0, as in `for-loop-1[0]/train`."""
    state: str = SUCCEEDED
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """`{folder}` in a string is a folder of this case on the disk that runner and tasks share."""
    outputs: Mapping[str, Any] = field(default_factory=dict)
    """Output parameters of the pipeline."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """`path:output` -> value of a task's output parameter, or of an artifact: its content."""
    attempts: Mapping[str, int] = field(default_factory=dict)
    """Path -> how often a task was tried; once where nothing is said."""
    shares_disk: bool = False
    """Whether tasks meet on the runner's disk, which a cluster does not offer."""


def case(tasks: Mapping[str, str], **expected: Any) -> Callable[[Any], Any]:
    """Register a pipeline with what is expected of it; one pipeline may be several cases."""

    def register(pipeline: Any) -> Any:
        number = sum(known.pipeline is pipeline for known in CASES)
        name = f"{pipeline.name}-{number + 1}" if number else pipeline.name
        CASES.append(Case(name, pipeline, tasks, **expected))
        return pipeline

    return register


def placed(parameters: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return parameters with a folder in the place of `{folder}`."""
    return {
        name: value.replace("{folder}", str(folder)) if isinstance(value, str) else value
        for name, value in parameters.items()
    }
