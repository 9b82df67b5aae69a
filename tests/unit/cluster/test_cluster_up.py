"""`mlops cluster up`: the first call, the second, and what the cluster holds afterwards."""

import base64
import copy
import json
from typing import Any

import pytest

from core.user_code import ROOT
from mlops.cluster.errors import ClusterError
from mlops.cluster.lifecycle import preflight
from mlops.cluster.lifecycle.up import STEPS, overlay, up
from mlops.cluster.manifests import kubeflow as manifests
from mlops.cluster.manifests.workloads import NODE_PORTS
from tests.unit.cluster.world import KFP_IMAGES, NAME, OWN, SECRET_VALUE, World, deployment

IMAGE_OF_SERVER = f"Deployment {NAME} model-server"


def _containers(world: World, key: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = world.state["objects"][key]["spec"]["template"]["spec"]["containers"]
    return found


def test_the_first_call_takes_every_step(world: World) -> None:
    summary = up(world.site())
    assert list(summary.seconds) == [step.name for step in STEPS]
    assert set(world.state["node_images"]) == {*KFP_IMAGES, *OWN.values()}
    assert sorted(world.built) == sorted(OWN)
    assert _containers(world, IMAGE_OF_SERVER)[0]["image"] == OWN["ml-in-production/serving"]
    kept, copied = (
        world.state["objects"][f"Secret {namespace} mlpipeline-minio-artifact"]["data"]
        for namespace in ("kubeflow", NAME)
    )
    assert kept == copied


def test_a_second_call_changes_nothing(risen: World) -> None:
    before = copy.deepcopy(risen.state)
    up(risen.site())
    assert risen.changes() == []
    assert risen.state == before
    assert risen.built == []


def test_what_was_changed_by_hand_is_put_right_and_nothing_else(risen: World) -> None:
    del risen.state["objects"]["Deployment kubeflow mysql"]
    up(risen.site())
    assert len(risen.changes()) == 1
    assert "Deployment kubeflow mysql" in risen.state["objects"]


def test_changed_keys_of_the_object_store_stay_and_are_copied(risen: World) -> None:
    objects = risen.state["objects"]
    objects["Secret kubeflow mlpipeline-minio-artifact"]["data"]["secretkey"] = "b3RoZXItc2VjcmV0"
    up(risen.site())
    assert {
        risen.state["objects"][f"Secret {namespace} mlpipeline-minio-artifact"]["data"]["secretkey"]
        for namespace in ("kubeflow", NAME)
    } == {"b3RoZXItc2VjcmV0"}


def test_images_of_the_local_docker_are_loaded_and_others_left_to_the_cluster(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    del world.state["docker"]["mysql:8.4"]
    monkeypatch.setattr(preflight, "is_reachable", lambda host: host == "docker.io")
    up(world.site())
    assert "mysql:8.4" not in world.state["node_images"]
    assert any("the cluster pulls mysql:8.4" in line for line in world.logged)
    assert not any(" pull " in line for line in world.lines())


def test_every_container_asks_for_what_was_loaded(risen: World) -> None:
    policies = {
        container["imagePullPolicy"]
        for key in risen.state["objects"]
        if key.startswith("Deployment")
        for container in _containers(risen, key)
    }
    assert policies == {"IfNotPresent"}


def test_a_small_node_reserves_less_for_the_pipelines_and_a_large_one_as_shipped(world: World) -> None:
    up(world.site())
    assert _containers(world, "Deployment kubeflow ml-pipeline")[0]["resources"]["requests"] == {
        "cpu": "20m",
        "memory": "500Mi",
    }
    world.state.update(cpus="8")
    up(world.site())
    assert _containers(world, "Deployment kubeflow ml-pipeline")[0]["resources"]["requests"]["cpu"] == "250m"


def test_other_images_take_the_place_of_any_image(world: World) -> None:
    others = {
        "ghcr.io/kubeflow/": "mirror.example/kfp/",
        "mysql:8.4": "mirror.example/mysql:8",
        "ml-in-production/serving": "mirror.example/serving:1",
    }
    world.variables["MLOPS_IMAGE_OVERRIDES"] = ",".join(f"{old}={new}" for old, new in others.items())
    world.state.update(
        docker={
            **world.state["docker"],
            "mirror.example/kfp/kfp-api-server:2.17.0": 1,
            "mirror.example/kfp/kfp-driver:2.17.0": 1,
            "mirror.example/mysql:8": 1,
        }
    )
    up(world.site())
    api = _containers(world, "Deployment kubeflow ml-pipeline")[0]
    assert api["image"] == "mirror.example/kfp/kfp-api-server:2.17.0"
    assert api["env"][0]["value"] == "mirror.example/kfp/kfp-driver:2.17.0"
    assert _containers(world, IMAGE_OF_SERVER)[0]["image"] == "mirror.example/serving:1"
    assert {"mirror.example/kfp/kfp-api-server:2.17.0", "mirror.example/mysql:8"} <= set(world.state["node_images"])
    assert "ml-in-production/serving" not in world.built


def test_the_ports_of_this_machine_lead_to_the_services(world: World) -> None:
    world.variables |= {"MLOPS_PORT_UI": "28080", "MLOPS_PORT_SERVER": "28501"}
    summary = up(world.site())
    assert summary.urls == {"ml-pipeline-ui": "http://127.0.0.1:28080", "model-server": "http://127.0.0.1:28501"}
    page = world.state["objects"]["Service kubeflow ml-pipeline-ui"]["spec"]
    assert (page["type"], page["ports"][0]["nodePort"]) == ("NodePort", NODE_PORTS["ml-pipeline-ui"])
    assert (
        f"nodePort: {NODE_PORTS['model-server']}\n"
        in (ROOT / "kustomize" / "overlays" / "kind" / "service.yaml").read_text()
    )


def test_policies_are_left_out_only_where_that_is_asked_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        manifests,
        "render",
        lambda *_: [{"kind": kind, "metadata": {"name": "a"}} for kind in ("NetworkPolicy", "ConfigMap")],
    )
    assert [item["kind"] for item in overlay(world.site())] == ["NetworkPolicy", "ConfigMap"]
    world.variables |= {"MLOPS_NETWORK_POLICIES": "off"}
    assert [item["kind"] for item in overlay(world.site())] == ["ConfigMap"]


def test_the_server_gets_the_cpu_and_memory_that_are_set(world: World) -> None:
    world.variables |= {"MLOPS_SERVER_CPU": "1500m", "MLOPS_SERVER_MEMORY": "3Gi"}
    up(world.site())
    resources = _containers(world, IMAGE_OF_SERVER)[0]["resources"]
    assert resources == {"requests": {"cpu": "1500m", "memory": "3Gi"}, "limits": {"cpu": "1500m", "memory": "3Gi"}}


def test_the_node_image_of_the_local_docker_is_used_before_kinds_own(world: World) -> None:
    world.state["docker"] |= {"kindest/node:v1.9.0": 1}
    up(world.site())
    assert "--image kindest/node:v1.33.1" in world.lines("kind create")[0]


def test_without_a_node_image_kind_takes_its_own(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    del world.state["docker"]["kindest/node:v1.33.1"]
    monkeypatch.setattr(preflight, "is_reachable", lambda _: True)
    up(world.site())
    assert "--image" not in world.lines("kind create")[0]


def test_a_server_without_a_model_is_no_failure(world: World) -> None:
    started = {"name": "server", "state": {"running": {}}}
    world.state.update(
        pods={
            "model-server": {
                "phase": "Running",
                "conditions": [{"type": "Ready", "status": "False"}],
                "containerStatuses": [started],
            }
        }
    )
    up(world.site())
    assert any("when a first model is in production" in line for line in world.logged)


def test_a_cluster_that_was_there_is_used_as_it_is(world: World) -> None:
    world.state.update(cluster=NAME, node="running", ready=True)
    summary = up(world.site())
    assert world.lines("kind create") == []
    assert len(world.lines("kind export kubeconfig")) == 1
    assert summary.urls == {}


def test_a_stopped_node_is_started(risen: World) -> None:
    risen.state.update(node="exited")
    up(risen.site())
    assert risen.changes() == [f"docker start {NAME}-control-plane"]


def test_manifests_may_be_a_checkout(risen: World) -> None:
    checkout = risen.folder / "checkout" / "manifests"
    checkout.mkdir(parents=True)
    (checkout / "kustomize").symlink_to(risen.manifests)
    risen.variables["MLOPS_KFP_MANIFESTS"] = str(checkout.parent)
    up(risen.site())
    assert risen.changes() == []


def test_manifests_from_afar_are_fetched_once_and_kept_without_secrets(world: World) -> None:
    parts = ("cluster-scoped-resources", "env/platform-agnostic")
    world.state.update(
        remote={f"https://example.test/kfp/{part}?ref=2.17.0": str(world.manifests / part) for part in parts}
    )
    world.variables["MLOPS_KFP_MANIFESTS"] = "https://example.test/kfp?ref=2.17.0"
    up(world.site())
    world.machine.calls.clear()
    up(world.site())
    assert not any("example.test" in line for line in world.lines())
    world.state.update(cluster="", objects={}, node_images=[], contexts=[])
    up(world.site())
    assert "secretkey" in world.state["objects"]["Secret kubeflow mlpipeline-minio-artifact"]["data"]
    assert SECRET_VALUE not in world.text_of_files()


def test_the_secret_of_triggers_is_made_once_and_is_the_same_for_handler_and_steps(risen: World) -> None:
    names = [f"Secret {namespace} mlops-trigger" for namespace in (NAME, "kubeflow")]
    first, second = (risen.state["objects"][name]["data"] for name in names)
    assert first == second
    assert len(base64.b64decode(first["secret"])) == 64
    del risen.state["objects"][names[1]]
    up(risen.site())
    assert [risen.state["objects"][name]["data"] for name in names] == [first, first]
    value = base64.b64decode(first["secret"]).decode()
    assert value not in json.dumps([call.argv for call in risen.machine.calls]) + risen.text_of_files()


def test_no_value_of_a_secret_is_in_an_argument_or_a_file(world: World) -> None:
    world.state.update(log=f"somebody logged {SECRET_VALUE}", pods={"ml-pipeline": _crashing()})
    world.variables["MLOPS_DEADLINE_KFP"] = "1s"
    with pytest.raises(ClusterError) as failed:
        up(world.site())
    world.logged.append(str(failed.value))
    for hidden in (SECRET_VALUE, base64.b64encode(SECRET_VALUE.encode()).decode()):
        assert hidden not in json.dumps([call.argv for call in world.machine.calls])
        assert hidden not in world.text_of_files()
        assert hidden not in "\n".join(world.logged)
    assert any(name.startswith("cluster/diagnosis-") for name in world.left())


def _crashing() -> dict[str, Any]:
    status = {
        "name": "api",
        "restartCount": 3,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"exitCode": 2}},
    }
    return {"phase": "Running", "containerStatuses": [status]}


def test_a_large_image_is_loaded_by_itself(world: World) -> None:
    (world.manifests / "env" / "platform-agnostic" / "more.yaml").write_text(
        json.dumps(deployment("more", "kubeflow", [{"name": "more", "image": "docker.io/large:1"}]))
    )
    world.state["docker"] |= {"docker.io/large:1": 8 * 10**9}
    up(world.site())
    assert any(line.endswith(f"--name {NAME} docker.io/large:1") for line in world.lines("kind load"))
