"""Runs any compiled Kubeflow Pipelines v2 pipeline on this machine, fast, cached and resumable."""

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from localrun.environments.environment import Environment
    from localrun.errors import LocalrunError, RunFailed, UnsupportedPipeline
    from localrun.execution.history import reopen, runs, show
    from localrun.execution.options import Options
    from localrun.execution.runner import create, resume, run, validate
    from localrun.hosts.hosts import Hosts
    from localrun.hosts.lasting import Lasting
    from localrun.records import Artifact, Run, RunSummary, State, TaskRun, Values
    from localrun.spec.load import load
    from localrun.spec.pipeline import Pipeline

__all__ = [
    "Artifact",
    "Environment",
    "Hosts",
    "Lasting",
    "LocalrunError",
    "Options",
    "Pipeline",
    "Run",
    "RunFailed",
    "RunSummary",
    "State",
    "TaskRun",
    "UnsupportedPipeline",
    "Values",
    "__version__",
    "create",
    "load",
    "reopen",
    "resume",
    "run",
    "runs",
    "show",
    "validate",
]

_MODULES = {
    "localrun.environments.environment": ("Environment",),
    "localrun.errors": ("LocalrunError", "RunFailed", "UnsupportedPipeline"),
    "localrun.execution.history": ("reopen", "runs", "show"),
    "localrun.execution.options": ("Options",),
    "localrun.execution.runner": ("create", "resume", "run", "validate"),
    "localrun.hosts.hosts": ("Hosts",),
    "localrun.hosts.lasting": ("Lasting",),
    "localrun.records": ("Artifact", "Run", "RunSummary", "State", "TaskRun", "Values"),
    "localrun.spec.load": ("load",),
    "localrun.spec.pipeline": ("Pipeline",),
}


def __getattr__(name: str) -> object:
    """Import a name when it is first used: `--help` and Ctrl-C need not wait for everything else."""
    for module, names in _MODULES.items():
        if name in names:
            globals()[name] = getattr(importlib.import_module(module), name)
            return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
