"""Which stages of a run may compute on a laptop before a gate has passed that they only wait for."""

from collections.abc import Iterator
from typing import Any

import localrun
from core.beam.settings import LOCAL_RUNNERS
from localrun.spec.commands import function_name
from localrun.spec.pipeline import Constant, Container, Dag

AHEAD = ("transform_features",)
"""Stages that write their outputs and nothing else; whoever reads those waits for the gate, too."""


def stages_ahead(pipeline: localrun.Pipeline) -> tuple[str, ...]:
    """Return those of a pipeline; none that starts a job elsewhere, which nobody should pay for in vain."""
    elsewhere = {stage for stage, config in _configured(pipeline) if _runs_elsewhere(config)}
    return tuple(stage for stage in AHEAD if stage not in elsewhere)


def _configured(pipeline: localrun.Pipeline) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the stage of each task with its section of the configuration."""
    for component in (pipeline.root, *pipeline.components.values()):
        tasks = component.implementation.tasks.values() if isinstance(component.implementation, Dag) else ()
        for task in tasks:
            command, config = pipeline.components[task.component].implementation, task.parameters.get("config")
            if isinstance(command, Container) and isinstance(config, Constant) and isinstance(config.value, dict):
                yield function_name(command), config.value


def _runs_elsewhere(config: dict[str, Any]) -> bool:
    runner = ((config.get("beam") or {}).get("laptop") or {}).get("runner")
    return runner is not None and runner not in LOCAL_RUNNERS
