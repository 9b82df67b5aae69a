"""Reaching services, the store and pods of the cluster, and calling programs at all."""

import multiprocessing
import os
import signal
import socket
import time
from pathlib import Path

import pytest

from mlops.cluster.access import forward, reach
from mlops.cluster.errors import ClusterError, CommandFailed
from mlops.cluster.programs.commands import Commands
from mlops.cluster.programs.kubectl import Kubectl
from tests.unit.cluster.world import SECRET_VALUE, World


def _greeting(address: str) -> bytes:
    host, _, port = address.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        return connection.recv(5)


def _answers(address: str) -> bool:
    try:
        return _greeting(address) == b"hello"
    except OSError:
        return False


def _until(condition: object, wanted: bool = True) -> None:
    assert callable(condition)
    end = time.monotonic() + 60
    while condition() is not wanted and time.monotonic() < end:
        time.sleep(0.02)
    assert condition() is wanted


def test_a_service_is_reached_while_the_block_runs(risen: World) -> None:
    with reach.forwarded("ml-pipeline", "kubeflow", 8888, Kubectl.of(risen.environment)) as address:
        assert address.startswith("http://127.0.0.1:")
        assert _greeting(address) == b"hello"
    _until(lambda: forward._accepts(int(address.rpartition(":")[2])), wanted=False)


def test_a_way_that_drops_is_opened_again(risen: World) -> None:
    with reach.forwarded("ml-pipeline", "kubeflow", 8888, Kubectl.of(risen.environment)) as address:
        risen.state["forwards"][0].shutdown(socket.SHUT_RDWR)
        _until(lambda: len(risen.state["forwards"]) >= 2)  # more when the port of the first is not free yet
        _until(lambda: _answers(address))


def test_a_way_that_does_not_open_says_why(risen: World) -> None:
    risen.state["ready"] = False
    with pytest.raises(
        ClusterError,
        match=r"kubeflow/ml-pipeline:8888 cannot be reached: error: service not found; `mlops cluster status`",
    ):
        reach.forwarded("ml-pipeline", "kubeflow", 8888, Kubectl.of(risen.environment)).__enter__()


def test_the_store_of_the_cluster_is_named_for_a_program_here(risen: World) -> None:
    with reach.store_variables(Kubectl.of(risen.environment)) as variables:
        assert variables["MLOPS_STORE"] == "s3://mlpipeline/ml-in-production"
        assert (variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"]) == ("somebody", SECRET_VALUE)
        assert _greeting(variables["AWS_ENDPOINT_URL"]) == b"hello"
    assert any("service/seaweedfs" in line and line.endswith(":9000") for line in risen.lines("kubectl port-forward"))


def test_without_a_store_it_says_what_makes_one(world: World) -> None:
    with pytest.raises(ClusterError, match="mlops cluster up"):
        reach.store_variables(Kubectl.of(world.environment)).__enter__()


def test_pods_and_logs_are_told_in_words(risen: World) -> None:
    kubectl = Kubectl.of(risen.environment)
    risen.state["pods"] = {"mysql": {"phase": "Pending"}}
    found = {pod.name: (pod.phase, pod.trouble) for pod in reach.pods("kubeflow", {"app": "x"}, kubectl)}
    assert found == {"ml-pipeline-0": ("Running", ""), "mysql-0": ("Pending", "pending")}
    assert reach.logs("mysql-0", "kubeflow", lines=5, kubectl=kubectl) == "the last line"


def test_a_program_that_is_missing_fails_or_is_late_says_so(tmp_path: Path) -> None:
    commands = Commands({"PATH": os.environ["PATH"]})
    with pytest.raises(CommandFailed, match="no-such-program cannot be started"):
        commands.run(["no-such-program"])
    with pytest.raises(CommandFailed, match="ended with 3: first\nlast") as failed:
        commands.run(["bash", "-c", "echo first >&2; echo last >&2; exit 3"])
    assert failed.value.last_lines == "first\nlast"
    with pytest.raises(CommandFailed, match="was not done after 0s: busy"):
        commands.run(["bash", "-c", "echo busy >&2; sleep 30"], seconds=0.3)


def test_every_line_is_heard_as_it_comes_and_much_input_is_taken() -> None:
    commands = Commands({"PATH": os.environ["PATH"]})
    heard: list[str] = []
    done = commands.run(["bash", "-c", "wc -c; echo one >&2; echo two >&2"], stdin="x" * 500_000, on_line=heard.append)
    assert (done.stdout.strip(), heard) == ("500000", ["one", "two"])


def test_a_program_ends_with_the_one_who_called_it(tmp_path: Path) -> None:
    noted = tmp_path / "pid"

    def call() -> None:
        Commands({"PATH": os.environ["PATH"]}).run(
            ["bash", "-c", f"echo $$ > {noted}.new; mv {noted}.new {noted}; exec sleep 60"]
        )

    child = multiprocessing.get_context("fork").Process(target=call)
    child.start()
    _until(noted.exists)
    assert child.pid
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    _until(lambda: _runs(int(noted.read_text())), wanted=False)


def _runs(process: int) -> bool:
    try:
        return "(sleep) S" in Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
