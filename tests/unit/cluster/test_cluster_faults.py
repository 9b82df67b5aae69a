"""Every step fails, or is interrupted, in turn: what is reported, what is left, and that the next call goes on."""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from core.durable import locked
from core.errors import MlopsError
from mlops.cluster.errors import ClusterError
from mlops.cluster.lifecycle.up import up
from tests.unit.cluster.world import NAME, OWN, World

CLUSTER, KFP_IMAGES, KFP, OWN_IMAGES, SERVER = (
    "kind cluster",
    "images of Kubeflow Pipelines",
    "Kubeflow Pipelines",
    "images of this project",
    "model server",
)
PULLING = {
    "phase": "Pending",
    "containerStatuses": [{"name": "a", "image": "mysql:8.4", "state": {"waiting": {"reason": "ImagePullBackOff"}}}],
}
UNPLACED = {
    "phase": "Pending",
    "conditions": [
        {"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available: 1 Insufficient cpu."}
    ],
}
STARTING = {
    "phase": "Pending",
    "containerStatuses": [{"name": "a", "state": {"waiting": {"reason": "ContainerCreating"}}}],
}

FAULTS = [
    ("kind create", {}, CLUSTER, "MLOPS_DEADLINE_KIND"),
    ("half of kind create", {}, CLUSTER, "MLOPS_KIND_NODE_IMAGE"),
    ("kubectl get nodes", {}, CLUSTER, f"docker logs {NAME}-control-plane"),
    (f"kind load docker-image --name {NAME} docker.io/alpine", {}, KFP_IMAGES, "free disk where Docker keeps its data"),
    ("kind load", {}, KFP_IMAGES, "MLOPS_DEADLINE_LOAD"),
    ("kubectl apply", {}, KFP, "it did not work"),
    ("kubectl wait", {}, KFP, "MLOPS_DEADLINE_KFP"),
    ("", {"mysql": PULLING}, KFP, "MLOPS_IMAGE_OVERRIDES=mysql:8.4=OTHER"),
    (
        "",
        {"ml-pipeline": UNPLACED},
        KFP,
        "it asks for 0.02 CPU, 0.02 of 2 CPUs are reserved -> set MLOPS_KFP_CPU_REQUEST",
    ),
    ("", {"mysql": STARTING}, KFP, "not done within 1s (MLOPS_DEADLINE_KFP)"),
    (f"--name {NAME} ml-in-production/data:abc", {}, OWN_IMAGES, "mlops images build"),
    ("docker image inspect ml-in-production/data:abc", {}, OWN_IMAGES, "was built but is not in the local Docker"),
    ("overlay", {}, SERVER, "kubectl kustomize"),
    ("get secret mlpipeline", {}, SERVER, "mlops cluster up"),
    ("", {"model-server": STARTING}, SERVER, "MLOPS_DEADLINE_SERVER"),
]


@pytest.mark.parametrize(
    ("when", "pods", "step", "says"), FAULTS, ids=[f"{one[2]}: {one[0] or next(iter(one[1]))}" for one in FAULTS]
)
def test_a_step_that_fails_is_named_and_the_next_call_goes_on(
    world: World, when: str, pods: Mapping[str, Any], step: str, says: str
) -> None:
    world.variables |= {"MLOPS_DEADLINE_KIND": "1s", "MLOPS_DEADLINE_KFP": "1s", "MLOPS_DEADLINE_SERVER": "1s"}
    if when:
        world.fail(when, says="it did not work: no space left on device")
    world.state["pods"] = dict(pods)
    with pytest.raises(ClusterError) as failed:
        up(world.site())
    message = str(failed.value)
    assert failed.value.exit_code == 1
    assert f"the step '{step}' failed (its deadline is" in message
    assert says in message
    assert "next: " in message
    assert any(name.startswith("cluster/diagnosis-") and name.endswith("/docker.txt") for name in world.left())
    world.machine.rules, world.state["pods"] = [], {}
    world.variables |= {"MLOPS_DEADLINE_KIND": "1m", "MLOPS_DEADLINE_KFP": "1m", "MLOPS_DEADLINE_SERVER": "1m"}
    assert SERVER in up(world.site()).seconds
    loads = world.lines("kind load")
    assert len(loads) - len(set(loads)) <= 1, "what was loaded stays loaded"


def test_a_build_that_fails_is_named(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(names: Sequence[str], log: Any, *, seconds: float) -> None:
        raise MlopsError("the build of tfx ended with 1")

    monkeypatch.setattr(world, "build", fail)
    with pytest.raises(ClusterError, match="the build of tfx ended with 1"):
        up(world.site())


def test_what_crashes_is_shown_with_its_last_words(world: World) -> None:
    status = {
        "name": "api",
        "restartCount": 3,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"exitCode": 2}},
    }
    world.state["pods"] = {"ml-pipeline": {"phase": "Running", "containerStatuses": [status]}}
    world.variables["MLOPS_DEADLINE_KFP"] = "1s"
    with pytest.raises(ClusterError, match=r"api keeps crashing \(exit code 2, 3 restarts\)"):
        up(world.site())
    assert any("api | the last line" in line for line in world.logged)
    folder = next(path for path in (world.home / "cluster").iterdir() if path.name.startswith("diagnosis-"))
    assert {"pods.yaml", "events.txt", "describe.txt", "workloads.txt", "nodes.txt"} <= {
        path.name for path in folder.iterdir()
    }
    assert "the last line" in (folder / "logs" / "kubeflow.ml-pipeline-0.api.txt").read_text()


INTERRUPTS = [
    "half of kind create",
    "kubectl get nodes",
    "kind load",
    "kubectl apply",
    "kubectl wait",
    "get deployments",
    "ml-in-production/data:abc",
    "overlay",
]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=lambda number: number.name)
@pytest.mark.parametrize("when", INTERRUPTS)
def test_an_interrupted_call_is_continued(world: World, first: World, when: str, number: signal.Signals) -> None:
    world.state["docker"] |= dict.fromkeys(OWN.values(), 10**9)  # the child cannot put them there
    world.fail(when, signal=number)
    child = multiprocessing.get_context("fork").Process(target=_up_in_a_process_of_its_own, args=(world,))
    child.start()
    child.join(timeout=120)
    assert child.exitcode == (1 if number == signal.SIGINT else -number)
    assert world.machine.rules == []
    up(world.site())
    ours, theirs = ({**one.state, "info": None, "docker": sorted(one.state["docker"])} for one in (world, first))
    assert {**ours, "node_images": sorted(ours["node_images"])} == {
        **theirs,
        "node_images": sorted(theirs["node_images"]),
    }
    assert world.left() == first.left()


def _up_in_a_process_of_its_own(world: World) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    up(world.site())


def test_archives_that_a_killed_program_left_go_with_the_next_call(world: World) -> None:
    site = world.site()
    archive = site.folder / "tmp" / "images-tar1" / "images.tar"
    archive.parent.mkdir(parents=True)
    archive.touch()
    up(site)
    assert site.commands.environment["TMPDIR"] == str(archive.parents[1])
    assert world.left() == []


def test_a_second_call_at_the_same_time_is_refused(world: World) -> None:
    site = world.site()
    site.folder.mkdir(parents=True)
    with (
        locked(site.folder / f"{NAME}.lock"),
        pytest.raises(ClusterError, match="another `mlops cluster` is working on ml-in-production"),
    ):
        up(site)
    assert world.lines() == []


def test_the_command_line_ends_with_one_and_one_message(world: World) -> None:
    world.fail("kind create", says="ERROR: failed to create cluster")
    world.state["info"] = {"NCPU": 2, "MemTotal": 2**33}  # the disk of the machine that tests is another matter
    command = [sys.executable, "-m", "mlops.cli.main", "cluster", "up"]
    done = subprocess.run(
        command, env=world.environment, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "error: the step 'kind cluster' failed" in done.stderr
    assert "ERROR: failed to create cluster" in done.stderr
    assert "Traceback" not in done.stderr
