"""The three places where a compiled pipeline can run, behind one small interface."""

import re
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import kfp_local
import pytest
from conformance_case import Case
from conformance_result import Result

import localrun
from localrun import Environment, Hosts, Options
from mlops.worlds.kfp_client import open_client
from mlops.worlds.kfp_metadata import KfpMetadata
from mlops.worlds.kfp_platform import PodSettings, for_cluster

_SECONDS = 1800
_NO_EXIT = "runs no exit task after a failure, and does not say so"
_NO_RETRY = "does not retry, and does not say so"
_DOUBLES = "hands whole numbers to tasks as doubles"
DIFFERS = {
    "exit-after-failure": _NO_EXIT,
    "two-exit-handlers": _NO_EXIT,
    "exit-handler-that-never-began": _NO_EXIT,
    "ignored-failure": _NO_EXIT,
    "ignored-failure-with-status": _NO_EXIT,
    "retries-in-loops-and-handlers": _NO_RETRY,
    "retried-pipeline": _NO_RETRY,
    "several-outputs": _DOUBLES,
    "importers": _DOUBLES,
    "pipelines-in-pipelines": "lets tasks of the same name in different groups overwrite each other's outputs",
    "variables-and-resources": "does not set environment variables, and does not say so",
}
"""Cases that kfp.local 2.13 runs without complaint, but gets wrong."""
_NO_ITEMS = "fails the task that collects from a loop without items"
CLUSTER_DIFFERS = {
    "collected-artifacts": "hands a list of artifacts over in a way that kfp 2.13's executor cannot read",
    "collected-artifacts-2": _NO_ITEMS,
    "exit-handler-that-never-began": "starts no exit task when what it waits for never began",
    "failing-exit-task": "calls a run SUCCEEDED whose exit task failed",
    "ignored-failure": "refuses a task that ignores the failure of the one whose output it takes",
    "loop-over-a-field-of-an-item": "cannot read a field of an item that is a list itself",
    "loop-over-an-output": _NO_ITEMS,
    "loop-over-an-output-2": "hands the whole numbers of a list that a task made to a loop's tasks as text",
    "nested-loops": "hands a list of lists over in a way that kfp 2.13's executor cannot read",
    "retries-in-vain": "calls a run SUCCEEDED whose last task ignored the failure before it",
}
"""Cases in which Kubeflow Pipelines 2.17.0 was seen to do something else on a cluster."""


class Backend(Protocol):
    """Runs a compiled pipeline to its end; skips the test, with the reason, where it says that it cannot."""

    def run(self, case: Case, pipeline: Path, parameters: Mapping[str, Any], folder: Path) -> Result: ...


class Localrun:
    """This project's runner; every image stands for the environment that the tests run in.

    All pipelines run in one folder, and so in tasks of one warm process: a second folder would import kfp again.
    """

    def __init__(self, hosts: Hosts, cwd: Path) -> None:
        self.hosts = hosts
        self.cwd = cwd

    def run(self, case: Case, pipeline: Path, parameters: Mapping[str, Any], folder: Path) -> Result:
        environments = dict.fromkeys(("python", "alpine"), Environment(cwd=self.cwd, sources={"*": ()}))
        run = localrun.run(
            pipeline,
            parameters,
            store=folder / "store",
            environments=environments,
            options=Options(hosts=self.hosts, max_workers=4),
        )
        values: dict[str, Any] = {}
        for task in run.tasks:
            values |= {f"{task.path}:{name}": value for name, value in task.outputs.parameters.items()}
            values |= {
                f"{task.path}:{name}": a.path.read_text()
                for name, a in task.outputs.artifacts.items()
                if a.path.is_file()
            }
        assert localrun.show(folder / "store", run.run_id) == run
        tasks = {task.path: str(task.state) for task in run.tasks}
        return Result(
            str(run.state),
            dict(run.outputs.parameters),
            tasks,
            {task.path: task.attempts for task in run.tasks},
            values,
        )


class KfpLocal:
    """kfp's own runner in processes of this machine: one task at a time, and without most of the control flow."""

    def run(self, case: Case, pipeline: Path, parameters: Mapping[str, Any], folder: Path) -> Result:
        if shutil.which("pip") is None:
            pytest.skip("kfp.local: its tasks call pip, which is not on this machine")
        if case.name in DIFFERS:
            pytest.skip(f"kfp.local: {DIFFERS[case.name]}")
        try:
            return kfp_local.run(case, parameters, folder)
        except kfp_local.Refused as refused:
            pytest.skip(f"kfp.local: {refused}")


@dataclass(frozen=True)
class Deployment:
    """The address of a cluster, and an image with Python and kfp on its nodes, which replaces every other image."""

    endpoint: str
    metadata: str
    """`host:port`; empty where it cannot be reached, and then nothing is known of single tasks."""
    image: str


class Cluster:
    """Kubeflow Pipelines on a cluster; tasks are read from its metadata, because its API lists workflow nodes only."""

    def __init__(self, deployment: Deployment) -> None:
        self.client = open_client(deployment.endpoint)
        self.metadata = KfpMetadata(deployment.metadata) if deployment.metadata else None
        self.image = deployment.image

    def run(self, case: Case, pipeline: Path, parameters: Mapping[str, Any], folder: Path) -> Result:
        if case.shares_disk:
            pytest.skip("a cluster: tasks of this case meet on the runner's disk")
        if case.name in CLUSTER_DIFFERS:
            pytest.skip(f"a cluster: Kubeflow Pipelines 2.17.0 {CLUSTER_DIFFERS[case.name]}")
        here = re.sub(r"(?m)^(\s+image: ).*$", rf"\g<1>{self.image}", pipeline.read_text(encoding="utf-8"))
        pipeline.write_text(here, encoding="utf-8")
        pipeline.write_text(for_cluster(pipeline, PodSettings(), cache=False), encoding="utf-8")
        submitted = self.client.create_run_from_pipeline_package(
            str(pipeline), arguments=dict(parameters), run_name=case.name
        )
        run = self.client.wait_for_run_completion(submitted.run_id, timeout=_SECONDS, sleep_duration=2)
        if self.metadata is None:
            return Result(str(run.state))
        counts = Counter(
            (execution.task, str(execution.state)) for execution in self.metadata.executions(submitted.run_id)
        )
        return Result(str(run.state), counts=counts)
