"""`mlops cluster down` and `status`."""

import json

import pytest
from click.testing import CliRunner

from mlops.cli.machine.cluster import cluster
from mlops.cluster.errors import CommandFailed
from mlops.cluster.health.status import status
from mlops.cluster.lifecycle.down import down
from mlops.cluster.lifecycle.up import up
from mlops.cluster.nodes.kind import making
from tests.unit.cluster.world import NAME, OWN, World


def test_nothing_is_left(risen: World) -> None:
    (risen.home / "runs").mkdir()
    removed = down(risen.site())
    assert "kind cluster ml-in-production and its context kind-ml-in-production in the kubeconfig" in removed
    assert (risen.state["cluster"], risen.state["contexts"], risen.state["network"]) == ("", [], False)
    assert [path.name for path in risen.home.iterdir()] == ["runs"]
    assert set(OWN.values()) <= set(risen.state["docker"]), "the local Docker keeps what it has"


def test_a_second_call_finds_nothing(risen: World) -> None:
    down(risen.site())
    risen.machine.calls.clear()
    assert down(risen.site()) == []
    assert risen.changes() == []


def test_the_projects_images_go_on_demand_and_no_other(risen: World) -> None:
    risen.state["docker"] |= dict.fromkeys(OWN.values(), 1)
    removed = down(risen.site(), images=True)
    assert {f"image {name}" for name in OWN.values()} <= set(removed)
    assert not any(name.startswith("ml-in-production/") for name in risen.state["docker"])
    assert "mysql:8.4" in risen.state["docker"]


def test_the_network_of_other_clusters_stays(risen: World) -> None:
    risen.state["others"] = ["other"]
    down(risen.site())
    assert risen.state["network"] is True


def test_a_cluster_that_was_there_is_emptied_and_stays(world: World) -> None:
    kept = {"kind": "Secret", "metadata": {"name": "mine", "namespace": "default"}}
    world.state.update(cluster=NAME, node="running", ready=True, objects={"Secret default mine": kept})
    up(world.site())
    removed = down(world.site())
    assert "existed before and is kept" in removed[0]
    assert world.state["cluster"] == NAME
    of_our_namespaces = (" kubeflow ", f" {NAME} ")  # they go with them
    left = [key for key in world.state["objects"] if not any(space in key for space in of_our_namespaces)]
    assert left == ["Secret default mine"]


def test_one_that_was_left_half_made_goes(world: World) -> None:
    world.state.update(cluster=NAME, node="running", ready=False)
    site = world.site()
    site.folder.mkdir(parents=True)
    making(site).touch()
    down(site)
    assert world.state["cluster"] == ""
    assert not site.folder.exists()


def test_a_cluster_that_cannot_be_deleted_is_an_error_and_nothing_is_forgotten(risen: World) -> None:
    risen.fail("kind delete")
    with pytest.raises(CommandFailed, match="kind delete cluster"):
        down(risen.site())


def test_the_status_says_what_waits_and_why(risen: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in risen.environment.items():
        monkeypatch.setenv(name, value)
    assert status(risen.site()).ready
    risen.state["pods"] = {"mysql": {"phase": "Pending"}}
    done = CliRunner().invoke(cluster, ["status", "--json"])
    told = json.loads(done.stdout)
    assert done.exit_code == 1
    assert (told["ready"], told["exists"]) == (False, True)
    assert {one["name"]: one["why"] for one in told["workloads"] if not one["ready"]} == {"mysql": ["mysql-0: pending"]}
    assert risen.changes() == []


def test_no_cluster_is_a_status_too(world: World) -> None:
    found = status(world.site())
    assert (found.exists, found.ready) == (False, False)


def test_a_stopped_cluster_does_not_answer(risen: World) -> None:
    risen.state["node"] = "exited"
    found = status(risen.site())
    assert (found.exists, found.answers, found.ready) == (True, False, False)
