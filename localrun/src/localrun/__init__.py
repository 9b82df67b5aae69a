"""Runs any compiled Kubeflow Pipelines v2 pipeline on this machine, fast, cached and resumable."""

from localrun.environments.environment import Environment
from localrun.errors import LocalrunError, UnsupportedPipeline
from localrun.execution.options import Options
from localrun.execution.runner import create, reopen, resume, run, runs, show
from localrun.hosts.hosts import Hosts
from localrun.records import Artifact, Run, RunSummary, State, TaskRun, Values
from localrun.spec.load import load
from localrun.spec.pipeline import Pipeline

__version__ = "0.1.0"

__all__ = [
    "Artifact",
    "Environment",
    "Hosts",
    "LocalrunError",
    "Options",
    "Pipeline",
    "Run",
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
]
