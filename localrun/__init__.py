"""Runs any compiled Kubeflow Pipelines v2 pipeline on this machine, fast, cached and resumable."""

from localrun.environment import Environment
from localrun.errors import LocalrunError, UnsupportedPipeline
from localrun.hosts import Hosts
from localrun.load import load
from localrun.options import Options
from localrun.records import Artifact, Run, RunSummary, State, TaskRun, Values
from localrun.runner import resume, run, runs, show
from localrun.spec import Pipeline

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
    "load",
    "resume",
    "run",
    "runs",
    "show",
]
