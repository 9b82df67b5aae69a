"""What is checked before anything is changed, and that each failure comes with its fix."""

import json
import socket
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner

from mlops.cli.machine.cluster import cluster
from mlops.cluster.lifecycle import preflight
from mlops.cluster.lifecycle.up import NotReady, up
from mlops.cluster.programs import tools
from tests.unit.cluster.world import World


def _without(tool: str) -> Callable[[World], None]:
    return lambda world: (world.bin / tool).unlink()


def _version(tool: str, version: str) -> Callable[[World], None]:
    return lambda world: world.state["versions"].update({tool: version})


def _set(**values: Any) -> Callable[[World], None]:
    return lambda world: world.state.update(values)


def _variable(name: str, value: str) -> Callable[[World], None]:
    return lambda world: world.variables.update({name: value})


def _lacking(image: str) -> Callable[[World], None]:
    return lambda world: world.state["docker"].pop(image)


DOWN = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
DENIED = "permission denied while trying to connect to the Docker daemon socket"
BROKEN = [
    (_without("docker"), "docker", "not installed", "apt-get install docker.io"),
    (_without("kind"), "kind", "not installed", "https://kind.sigs.k8s.io/dl/"),
    (_without("kubectl"), "kubectl", "not installed", "https://dl.k8s.io/release/"),
    (_set(engine=DOWN), "docker engine", "Cannot connect", "DOCKER_HOST"),
    (_set(engine=DENIED), "docker engine", "permission denied", "usermod -aG docker"),
    (_version("docker", "19.03.15"), "docker", "19.03.15, wanted 20.10", "docs.docker.com"),
    (_version("engine", "19.3.1"), "docker engine", "19.3.1, wanted 20.10", "docs.docker.com"),
    (_version("kind", "v0.17.0"), "kind", "v0.17.0, wanted 0.20", "kind.sigs.k8s.io"),
    (_version("kubectl", "v1.24.1"), "kubectl", "v1.24.1, wanted 1.27", "dl.k8s.io"),
    (_set(info={"NCPU": 1, "MemTotal": 2**33}), "cpus", "1 for Docker", "at least 2 CPUs"),
    (_set(info={"NCPU": 2, "MemTotal": 2**31}), "memory", "2.0 GiB for Docker", "give Docker 3.8 GiB"),
    (
        _variable("MLOPS_KFP_MANIFESTS", "https://example.test/kfp?ref=1"),
        "manifests",
        "could not resolve host",
        "set MLOPS_KFP_MANIFESTS to",
    ),
    (
        _variable("MLOPS_KFP_MANIFESTS", "/nowhere"),
        "manifests",
        "/nowhere holds no cluster-scoped-resources/",
        "set MLOPS_KFP_MANIFESTS to",
    ),
    (
        _variable("MLOPS_KFP_ENV", "platform-agnostik"),
        "manifests",
        "did you mean 'platform-agnostic'",
        "set MLOPS_KFP_MANIFESTS to",
    ),
    (_lacking("mysql:8.4"), "images", "registries that do not answer: mysql:8.4", "MLOPS_IMAGE_OVERRIDES"),
    (_lacking("python:3.11-slim"), "images", "python:3.11-slim", "docker load"),
    (
        _lacking("kindest/node:v1.33.1"),
        "node image",
        "to be pulled from docker.io, which does not answer",
        "MLOPS_KIND_NODE_IMAGE",
    ),
    (lambda world: (world.overlay / "kustomization.yaml").unlink(), "overlay", "overlay", "git checkout kustomize"),
]


@pytest.mark.parametrize(
    ("break_it", "name", "found", "fix"), BROKEN, ids=[f"{one[1]}: {one[2][:30]}" for one in BROKEN]
)
def test_a_machine_that_is_not_ready_is_left_alone(
    world: World, break_it: Callable[[World], None], name: str, found: str, fix: str
) -> None:
    break_it(world)
    with pytest.raises(NotReady, match="nothing was changed") as failed:
        up(world.site())
    assert failed.value.exit_code == 1
    check = next(one for one in failed.value.checks if one.name == name and not one.ok)
    assert found in check.found
    assert fix in check.fix
    assert fix in str(failed.value)
    assert world.changes() == []


def test_a_taken_port_is_named_with_its_variable(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        world.variables["MLOPS_PORT_UI"] = str(taken.getsockname()[1])
        with pytest.raises(NotReady, match="set MLOPS_PORT_UI to another port, or to 0 for none"):
            up(world.site())


def test_a_full_disk_is_named(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "DISK_AT_FIRST", 2**60)
    with pytest.raises(NotReady, match=r"free at .*wanted"):
        up(world.site())


def test_ports_and_images_of_a_cluster_that_is_up_are_not_asked_for_again(risen: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        risen.variables["MLOPS_PORT_UI"] = str(taken.getsockname()[1])
        assert all(check.ok for check in preflight.examine(risen.site()))


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (_version("kubectl", "v1.36.0"), "kubectl and node: v1.36.0, node v1.33.1 -> install kubectl 1.33"),
        (_variable("DOCKER_HOST", "ssh://me@far.example"), "docker host: the engine is on ssh://me@far.example"),
        (_variable("DOCKER_HOST", "tcp://10.0.0.1:2375"), "docker host: the engine is on tcp://10.0.0.1:2375"),
    ],
)
def test_what_mostly_works_is_a_note(world: World, break_it: Callable[[World], None], says: str) -> None:
    break_it(world)
    up(world.site())
    assert any(says in line for line in world.logged)


@pytest.mark.parametrize("host", ["unix:///var/run/docker.sock", "tcp://127.0.0.1:2375", "tcp://localhost:2375", ""])
def test_an_engine_on_this_machine_is_not_far(world: World, host: str) -> None:
    world.variables["DOCKER_HOST"] = host
    assert preflight.remote_engine(world.site()) == ""


def test_images_that_an_own_node_image_may_hold_are_a_note(world: World) -> None:
    world.variables["MLOPS_KIND_NODE_IMAGE"] = "kindest/node:v1.33.1"
    del world.state["docker"]["mysql:8.4"]
    up(world.site())
    assert any(line.startswith("note: images: ") for line in world.logged)


def test_programs_that_say_nothing_are_taken_on_trust(world: World) -> None:
    world.state.update(versions=dict.fromkeys(world.state["versions"], ""), info={})
    assert all(check.ok for check in tools.examine(world.site().commands))


def test_the_checks_are_printed_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in world.environment.items():
        monkeypatch.setenv(name, value)
    world.state["engine"] = DOWN
    done = CliRunner().invoke(cluster, ["up", "--check", "--json"])
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert told["ok"] is False
    assert {"docker", "docker engine", "kind", "kubectl", "manifests"} <= {check["name"] for check in told["checks"]}
    assert world.changes() == []
