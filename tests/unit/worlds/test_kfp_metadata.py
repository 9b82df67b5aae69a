"""What is read of a run is what Kubeflow Pipelines wrote."""

from collections.abc import Iterator

import pytest
from fake_kfp import FakeMetadata

from core.errors import MlopsError
from mlops.runs.record import State
from mlops.worlds.kfp_metadata import KfpMetadata


@pytest.fixture(scope="module")
def metadata() -> FakeMetadata:
    return FakeMetadata()


@pytest.fixture(scope="module")
def reader(metadata: FakeMetadata) -> Iterator[KfpMetadata]:
    with metadata.served() as address:
        found = KfpMetadata(address)
        yield found
        found.close()


def test_a_run_that_nothing_is_known_of_has_no_executions(reader: KfpMetadata) -> None:
    assert reader.executions("no-such-run") == []


def test_states_pods_and_outputs_are_those_of_the_tasks_and_of_no_group(
    metadata: FakeMetadata, reader: KfpMetadata
) -> None:
    metadata.record("run-1", "root", "RUNNING", dag=True)
    metadata.record("run-1", "ingest-examples", "CACHED", {"examples": "minio://b/examples"})
    metadata.record("run-1", "train-model", "FAILED", pod="pod-7")
    metadata.record(
        "run-1", "train-model", "COMPLETE", {"model": "minio://b/model", "pictures": "minio://b/pictures"}, pod="pod-8"
    )
    metadata.record("run-2", "train-model", "RUNNING")
    found = {execution.task: execution for execution in reader.executions("run-1")}
    assert set(found) == {"ingest-examples", "train-model"}
    assert (found["ingest-examples"].state, found["ingest-examples"].cached) == (State.SUCCEEDED, True)
    trained = found["train-model"]
    assert (trained.state, trained.cached, trained.pod) == (State.SUCCEEDED, False, "pod-8")
    assert trained.outputs == {
        "model": ("system.Artifact", "minio://b/model"),
        "pictures": ("system.Artifact", "minio://b/pictures"),
    }
    assert [execution.state for execution in reader.executions("run-2")] == [State.RUNNING]


def test_a_loop_in_a_loop_tells_its_iterations_apart(metadata: FakeMetadata, reader: KfpMetadata) -> None:
    root = metadata.record("run-3", "", "RUNNING", dag=True)
    outer = metadata.record("run-3", "for-loop-1", "RUNNING", dag=True, parent=root, count=2)
    body = metadata.record("run-3", "for-loop-1", "RUNNING", dag=True, parent=outer, index=1)
    inner = metadata.record("run-3", "for-loop-2", "RUNNING", dag=True, parent=body, count=3, index=1)
    inner_body = metadata.record("run-3", "for-loop-2", "RUNNING", dag=True, parent=inner, index=2)
    branch = metadata.record("run-3", "servable", "RUNNING", dag=True, parent=inner_body)
    metadata.record("run-3", "train-model", "RUNNING", parent=branch)
    [found] = reader.executions("run-3")
    assert (found.groups, found.iterations) == (("for-loop-1", "for-loop-2", "servable"), (1, 2))


def test_a_service_that_does_not_answer_is_named() -> None:
    reader = KfpMetadata("127.0.0.1:1")
    with pytest.raises(MlopsError, match=r"127.0.0.1:1: wanted the metadata of Kubeflow Pipelines, got UNAVAILABLE"):
        reader.executions("run-1")
    reader.close()
