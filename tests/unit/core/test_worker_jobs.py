"""What the Training Operator and Vertex AI get for a training in several processes, and what comes of it."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from core.errors import ConfigError
from core.worker_jobs import training_operator, worker_pools
from core.worker_jobs.job import IMAGE, WorkerFailed, WorkerJob
from core.worker_jobs.settings import Distribution, TrainingOperator, WorkerPools
from core.worker_jobs.start import run
from core.worker_jobs.this_machine import run_here

GOLDEN = Path(__file__).parent / "golden"
KFP = TrainingOperator(gpus=1)
VERTEX = WorkerPools(
    region="europe-west4",
    service_account="pipelines@my-project.iam.gserviceaccount.com",
    accelerator_type="NVIDIA_TESLA_T4",
)
JOB = WorkerJob(Distribution(workers=3, minutes=90, kfp=KFP, vertex=VERTEX), "components.train_model.worker", ("{}",))
IMAGE_NAME = "registry/tfx@sha256:0"
POD = {"KFP_POD_NAME": "step-1", "KFP_POD_UID": "7d0f"}


def check(name: str, got: Any) -> None:
    import os

    path = GOLDEN / f"{name}.json"
    text = json.dumps(got, indent=2) + "\n"
    if os.environ.get("REFRESH_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text(), "REFRESH_GOLDEN=1 pytest tests/unit/core/test_worker_jobs.py"


def test_the_tfjob() -> None:
    check("tfjob", training_operator.manifest(training_operator.Pods(KFP, IMAGE_NAME), JOB, "train-0", POD))


def test_the_custom_job_is_one_that_the_client_takes() -> None:
    from google.cloud.aiplatform_v1.types import CustomJob

    got = worker_pools.custom_job(worker_pools.Machines(VERTEX, IMAGE_NAME), JOB)
    check("custom-job", got)
    assert CustomJob(got).job_spec.worker_pool_specs[1].replica_count == 2


class _Cluster:
    """The calls to a cluster; `states` are the conditions that the job has at each look."""

    def __init__(self, *states: str) -> None:
        self.states = list(states)
        self.calls: list[str] = []
        self.job: dict[str, Any] = {}

    def create_namespaced_custom_object(self, group: str, version: str, namespace: str, plural: str, body: Any) -> None:
        self.calls.append(f"create {group}/{version} {plural} in {namespace}")
        self.job = body

    def get_namespaced_custom_object(self, *where: str) -> dict[str, Any]:
        assert where[-1] == self.job["metadata"]["name"]
        state = self.states.pop(0)
        if not state:
            return {}
        return {"status": {"conditions": [{"type": state, "status": "True", "message": "exceeded backoffLimit"}]}}

    def delete_namespaced_custom_object(self, *where: str) -> None:
        self.calls.append("delete")


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> Any:
    def connect(cluster: _Cluster) -> None:
        monkeypatch.setattr(training_operator, "_connected", lambda: cluster)
        monkeypatch.setattr(training_operator, "_namespace", lambda: "kubeflow")

    return connect


@pytest.mark.parametrize("last", ["Succeeded", "Failed"])
def test_a_tfjob_is_followed_and_removed(connected: Any, last: str) -> None:
    cluster = _Cluster("", "Created", "Running", "Restarting", last)
    connected(cluster)
    pods = training_operator.Pods(KFP, IMAGE_NAME)
    if last == "Failed":
        with pytest.raises(WorkerFailed, match="exceeded backoffLimit; see the logs of its pods"):
            training_operator.run_job(pods, JOB, {}, 0)
    else:
        training_operator.run_job(pods, JOB, {}, 0)
    assert cluster.calls == ["create kubeflow.org/v1 tfjobs in kubeflow", "delete"]


class _Vertex:
    def __init__(self, *states: str) -> None:
        self.states = list(states)
        self.calls: list[str] = []

    def create_custom_job(self, parent: str, custom_job: Any) -> Any:
        self.calls.append(parent)
        return type("Job", (), {"name": f"{parent}/customJobs/1"})

    def get_custom_job(self, name: str) -> Any:
        if not self.states:
            raise KeyboardInterrupt
        error = type("Error", (), {"message": "replica 1 exited"})
        state = type("State", (), {"name": self.states.pop(0)})
        return type("Job", (), {"state": state, "error": error})

    def cancel_custom_job(self, name: str) -> None:
        self.calls.append(f"cancel {name}")


def _on_vertex(monkeypatch: pytest.MonkeyPatch, client: _Vertex) -> None:
    monkeypatch.setattr(worker_pools, "connected", lambda _: client)
    machines = worker_pools.Machines(VERTEX, IMAGE_NAME)
    worker_pools.run_job(machines, JOB, {"CLOUD_ML_PROJECT_ID": "12"}, 0)


def test_a_custom_job_is_followed_and_cancelled_with_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    client = _Vertex("JOB_STATE_PENDING", "JOB_STATE_RUNNING", "JOB_STATE_SUCCEEDED")
    _on_vertex(monkeypatch, client)
    assert client.calls == ["projects/12/locations/europe-west4"]
    with pytest.raises(WorkerFailed, match="JOB_STATE_FAILED: replica 1 exited"):
        _on_vertex(monkeypatch, _Vertex("JOB_STATE_FAILED"))
    stopped = _Vertex("JOB_STATE_RUNNING")
    with pytest.raises(KeyboardInterrupt):
        _on_vertex(monkeypatch, stopped)
    assert stopped.calls[-1] == "cancel projects/12/locations/europe-west4/customJobs/1"


def test_a_world_without_settings_and_a_step_without_image_are_named() -> None:
    bare = WorkerJob(Distribution(workers=2), "components.train_model.worker", ())
    with pytest.raises(ConfigError, match=r"train_model\.distribution\.kfp: wanted what the processes run on"):
        run(bare, "kfp", {})
    with pytest.raises(ConfigError, match=r"train_model\.distribution\.vertex"):
        run(bare, "vertex", {})
    with pytest.raises(ConfigError, match=f"{IMAGE}: wanted the image of this step"):
        run(JOB, "kfp", {})


CODE = """
import json, os, sys, time
from pathlib import Path
task = json.loads(os.environ["TF_CONFIG"])
index = task["task"]["index"]
mine = Path(sys.argv[1], f"{index}-{len(task['cluster']['worker'])}")
mine.with_suffix(".new").write_text(str(os.getpid()))
mine.with_suffix(".new").rename(mine)
marker = Path(sys.argv[1], "died")
while sys.argv[2] == "always" and not Path(sys.argv[1], "0-2").exists():
    time.sleep(0.01)
if index == 1 and sys.argv[2] != "works" and not (sys.argv[2] == "once" and marker.exists()):
    marker.touch()
    sys.exit(9)
if sys.argv[2] == "always":
    time.sleep(600)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "told.py").write_text(CODE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "out").mkdir()
    return "told"


def _here(tmp_path: Path, module: str, how: str, attempts: int = 2) -> None:
    import os

    distribution = Distribution(workers=2, attempts=attempts)
    run_here(WorkerJob(distribution, module, (str(tmp_path / "out"), how)), os.environ)


def test_processes_here_know_each_other_and_are_started_again_when_one_dies(tmp_path: Path, module: str) -> None:
    assert sys.executable
    _here(tmp_path, module, "works")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"0-2", "1-2"}
    _here(tmp_path, module, "once")
    assert (tmp_path / "out" / "died").exists()


def test_a_process_that_always_dies_ends_the_others(tmp_path: Path, module: str) -> None:
    import psutil

    with pytest.raises(WorkerFailed, match="process 1 of 2 ended with code 9"):
        _here(tmp_path, module, "always", attempts=1)
    assert not psutil.pid_exists(int((tmp_path / "out" / "0-2").read_text()))
