"""What kustomize/ renders: valid for Kubernetes, restricted, closed by default, and with no secret in it."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlops.cluster.access import credentials
from mlops.worlds import kfp_schedule
from pipelines.config import find, load
from tests.infra.pod_security import containers, violations
from tests.infra.rendered import (
    CHECKS,
    COMPONENTS,
    KUSTOMIZE,
    OVERLAYS,
    Object,
    named,
    needs_kubectl,
    needs_program,
    of_kind,
    overlay,
    with_component,
)

pytestmark = needs_kubectl

KUBERNETES = ("1.31", "1.33", "1.37")
"""The oldest that Kubeflow Pipelines 2.17 runs on here, kind's, and the newest that the checker knows."""
RENDERED: dict[str, Callable[[], list[Object]]] = {
    **{name: lambda name=name: overlay(name) for name in OVERLAYS},  # type: ignore[misc]
    **{
        f"kind with {name}": lambda name=name: with_component(name)
        for name in COMPONENTS
        if name not in ("cluster-store", "flink", "pipelines", "triggers", "monitoring")
    },  # type: ignore[misc]
}
EXTENSIONS = {"gateway.networking.k8s.io", "monitoring.googleapis.com", "networking.gke.io"}
"""Groups of kinds whose schemas are not Kubernetes'; tests here follow their references."""
FOREIGN_PODS = [
    {"app": "seaweedfs", "application-crd-id": "kubeflow-pipelines"},
    {"pipelines.kubeflow.org/v2_component": "true", "workflows.argoproj.io/workflow": "any"},
    {"mlops.training": "true", "training.kubeflow.org/job-name": "any"},
]
"""Pods of others that policies of ours select: Kubeflow Pipelines' object store, what Argo starts for a step, and the
processes of a training, which the Training Operator starts with the labels of our job."""


@pytest.fixture(params=RENDERED)
def objects(request: pytest.FixtureRequest) -> list[Object]:
    return RENDERED[request.param]()


def pod_templates(objects: list[Object]) -> Iterator[tuple[str, Object]]:
    for item in objects:
        spec = item.get("spec") or {}
        spec = spec["jobTemplate"]["spec"] if item["kind"] == "CronJob" else spec
        if "template" in spec:
            yield item["metadata"]["name"], spec["template"]


def servers(objects: list[Object]) -> Iterator[Object]:
    """The pods that answer requests, and so are probed."""
    for _, template in pod_templates(objects):
        if template["spec"].get("restartPolicy", "Always") == "Always":
            yield template["spec"]


def matches(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    assert set(selector) <= {"matchLabels"}
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())


def test_there_is_something_to_look_at() -> None:
    assert {"kind", "gke"} <= set(OVERLAYS)
    assert len(COMPONENTS) > 5


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A file for each object of a kind that Kubernetes knows; equal ones, of several overlays, once."""
    folder = tmp_path_factory.mktemp("objects")
    files: dict[str, Path] = {}
    for name, rendered in RENDERED.items():
        for item in rendered():
            if item["apiVersion"].partition("/")[0] in EXTENSIONS:
                continue
            kind, called = item["kind"], item["metadata"]["name"].replace(":", "-")
            files.setdefault(json.dumps(item, sort_keys=True), folder / f"{name} {kind} {called}.yaml")
    for text, path in files.items():
        path.write_text(text, encoding="utf-8")  # JSON is YAML
    return list(files.values())


@needs_program("kubernetes-validate")
@pytest.mark.parametrize("version", KUBERNETES)
def test_every_object_is_what_kubernetes_takes(written: list[Path], version: str) -> None:
    command = [CHECKS / "kubernetes-validate", "--strict", "--no-warn", "--quiet", "--kubernetes-version", version]
    ran = subprocess.run([*command, *written], capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_nothing_is_said_that_a_cluster_forgets(objects: list[Object]) -> None:
    """An empty list in a policy is dropped by the server: each `kubectl apply --server-side` would be a change."""
    assert [
        policy["metadata"]["name"] for policy in of_kind(objects, "NetworkPolicy") if [] in policy["spec"].values()
    ] == []


def test_every_pod_keeps_the_restricted_standard_which_its_namespace_enforces(objects: list[Object]) -> None:
    seen = {name: violations(template["spec"]) for name, template in pod_templates(objects)}
    assert "model-server" in seen
    assert not [name for name, found in seen.items() if found], seen
    [namespace] = of_kind(objects, "Namespace")
    assert {
        namespace["metadata"]["labels"][f"pod-security.kubernetes.io/{mode}"] for mode in ("enforce", "audit", "warn")
    } == {"restricted"}


def test_every_container_is_limited_and_probed_and_writes_only_where_it_may(objects: list[Object]) -> None:
    for _, template in pod_templates(objects):
        spec = template["spec"]
        bounded = {
            volume["name"]: "persistentVolumeClaim" in volume
            or "secret" in volume
            or volume["emptyDir"].get("sizeLimit")
            for volume in spec["volumes"]
        }
        assert all(bounded.values()), bounded
        assert spec["automountServiceAccountToken"] is False
        for container in containers(spec):
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
            assert {"cpu", "memory"} <= container["resources"]["limits"].keys()
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert {mount["name"] for mount in container["volumeMounts"]} == set(bounded)
    for spec in servers(objects):
        for container in containers(spec):
            ports = {port["name"] for port in container["ports"]}
            assert {
                container[probe]["httpGet"]["port"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")
            } <= ports


def test_a_pod_that_goes_has_more_time_than_it_takes_to_drain_and_finish(objects: list[Object]) -> None:
    from serving.launch import Plan

    spec = named(objects, "Deployment", "model-server")["spec"]["template"]["spec"]
    drain = seconds_of(spec, "--drain")
    policy = Plan("", Path(), drain_seconds=drain).worker_policy(1)
    assert drain >= 5
    assert spec["terminationGracePeriodSeconds"] > policy.stop_seconds + 5


def seconds_of(spec: Object, option: str) -> float:
    [value] = [word.partition("=")[2] for word in containers(spec)[0]["args"] if word.startswith(f"{option}=")]
    return float(value)


def test_no_rollout_takes_a_pod_away_before_another_is_ready(objects: list[Object]) -> None:
    server = named(objects, "Deployment", "model-server")
    assert server["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_the_arguments_are_what_the_command_takes(objects: list[Object]) -> None:
    import click

    from mlops.cli.main import cli

    for _, template in pod_templates(objects):
        container = containers(template["spec"])[0]
        program, *verbs = container["command"]
        assert program == "mlops"
        command: click.Command = cli
        for verb in verbs:
            assert isinstance(command, click.Group)
            found = command.get_command(click.Context(command), verb)
            assert found is not None
            command = found
        arguments = [word for word in container["args"] if not word.startswith("--secret-file=")]
        command.make_context(verbs[-1], arguments)


def test_no_secret_lies_in_the_repository(objects: list[Object]) -> None:
    assert not of_kind(objects, "Secret")
    for item in of_kind(objects, "ConfigMap"):
        assert not [key for key in item["data"] if re.search(r"SECRET|PASSWORD|TOKEN|ACCESS_KEY", key)]
    for _, template in pod_templates(objects):
        for variable in containers(template["spec"])[0].get("env", []):
            assert "value" not in variable or not re.search(r"SECRET|PASSWORD|TOKEN|KEY", variable["name"]), variable


def test_no_role_is_wild(objects: list[Object]) -> None:
    for kind in ("Role", "ClusterRole"):
        for role in of_kind(objects, kind):
            assert not [
                rule
                for rule in role["rules"]
                if "*" in (*rule.get("verbs", ()), *rule.get("resources", ()), *rule.get("apiGroups", ()))
            ]


def test_every_image_is_a_bare_name_of_ours_or_named_by_its_content(objects: list[Object]) -> None:
    for _, template in pod_templates(objects):
        for container in containers(template["spec"]):
            assert re.fullmatch(r"ml-in-production/[a-z]+|[\w./-]+@sha256:[0-9a-f]{64}", container["image"]), container[
                "image"
            ]


def test_nothing_goes_in_or_out_that_no_policy_names(objects: list[Object]) -> None:
    policies = of_kind(objects, "NetworkPolicy")
    deny = named(objects, "NetworkPolicy", "default-deny")["spec"]
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    pods = [template["metadata"]["labels"] for _, template in pod_templates(objects)]
    for policy in policies:
        there = pods if policy["metadata"]["namespace"] == "ml-in-production" else FOREIGN_PODS
        name = policy["metadata"]["name"]
        assert [labels for labels in there if matches(policy["spec"]["podSelector"], labels)], f"{name} selects no pod"
        for direction in ("ingress", "egress"):
            for rule in policy["spec"].get(direction) or ():
                assert rule, f"{name}: a rule without anything in it allows everything"
                assert rule.get("ports") or all(
                    "podSelector" in peer or "namespaceSelector" in peer for peer in rule["to"]
                ), name


def test_no_pod_reaches_the_internet(objects: list[Object]) -> None:
    for policy in of_kind(objects, "NetworkPolicy"):
        for rule in policy["spec"].get("egress") or ():
            blocks = [peer["ipBlock"]["cidr"] for peer in rule["to"] if "ipBlock" in peer]
            assert all(re.match(r"10\.|172\.16\.|192\.168\.|199\.36\.153\.|169\.254\.", block) for block in blocks), (
                blocks
            )


def test_the_server_reaches_the_store_in_the_cluster_from_both_ends() -> None:
    objects = overlay("kind")
    [egress] = named(objects, "NetworkPolicy", "store")["spec"]["egress"]
    [ingress] = named(objects, "NetworkPolicy", "seaweedfs-mlops", "kubeflow")["spec"]["ingress"]
    assert egress["ports"] == ingress["ports"] == [{"port": 8333, "protocol": "TCP"}]
    assert matches(egress["to"][0]["podSelector"], FOREIGN_PODS[0])
    for name, template in pod_templates([*objects, *overlay("gke")]):
        is_told = any(
            one["configMapRef"]["name"] == "mlops-store" for one in containers(template["spec"])[0].get("envFrom", [])
        )
        assert matches(ingress["from"][0]["podSelector"], template["metadata"]["labels"]) == is_told, name


def test_steps_and_server_have_one_store(objects: list[Object]) -> None:
    ours, theirs = (
        named(objects, "ConfigMap", "mlops-store", namespace)["data"] for namespace in ("ml-in-production", "kubeflow")
    )
    assert ours == theirs
    assert set(ours) == {"AWS_ENDPOINT_URL", "AWS_REGION", "MLOPS_STORE"}
    assert all(ours.values())


def test_everything_is_labelled_and_has_a_namespace(objects: list[Object]) -> None:
    for item in objects:
        assert item["metadata"]["labels"]["app.kubernetes.io/part-of"] == "ml-in-production", item["metadata"]["name"]
        assert item["kind"] == "Namespace" or item["metadata"]["namespace"] in ("ml-in-production", "kubeflow")


def test_the_service_leads_to_the_server(objects: list[Object]) -> None:
    service = named(objects, "Service", "model-server")["spec"]
    template = named(objects, "Deployment", "model-server")["spec"]["template"]
    assert matches({"matchLabels": service["selector"]}, template["metadata"]["labels"])
    assert service["ports"][0]["targetPort"] in {port["name"] for port in containers(template["spec"])[0]["ports"]}


def test_only_kind_opens_a_port_of_the_node() -> None:
    assert named(overlay("kind"), "Service", "model-server")["spec"]["ports"][0]["nodePort"] == 30501
    assert "type" not in named(overlay("gke"), "Service", "model-server")["spec"]


def test_there_is_one_handler_of_triggers_with_a_journal_that_outlives_its_pod() -> None:
    objects = overlay("kind")
    handler = named(objects, "Deployment", "trigger-handler")["spec"]
    assert (handler["replicas"], handler["strategy"]) == (1, {"type": "Recreate"})
    spec = handler["template"]["spec"]
    [container] = containers(spec)
    variables = {one["name"]: one.get("value") for one in container["env"]}
    [mounted] = [one["name"] for one in container["volumeMounts"] if one["mountPath"] == variables["MLOPS_HOME"]]
    [claim] = [one["persistentVolumeClaim"]["claimName"] for one in spec["volumes"] if one["name"] == mounted]
    assert named(objects, "PersistentVolumeClaim", claim)["spec"]["accessModes"] == ["ReadWriteOnce"]
    assert spec["terminationGracePeriodSeconds"] > seconds_of(spec, "--grace") + 15
    assert variables["KFP_ENDPOINT"] == kfp_schedule.API


def test_handler_and_senders_of_slots_share_a_secret_by_reference() -> None:
    objects = overlay("kind")
    for name, template in pod_templates(objects):
        mounted = [volume["secret"] for volume in template["spec"]["volumes"] if "secret" in volume]
        names = [one["secretName"] for one in mounted]
        assert names == ([] if name == "model-server" else [credentials.TRIGGER_SECRET])
        if mounted:
            [path] = [
                mount["mountPath"]
                for mount in containers(template["spec"])[0]["volumeMounts"]
                if mount["name"] == "secret"
            ]
            assert f"--secret-file={path}/{credentials.TRIGGER_KEY}" in containers(template["spec"])[0]["args"]


def test_each_slot_of_a_use_case_reaches_the_handler_at_its_time() -> None:
    objects = overlay("kind")
    service = named(objects, "Service", "trigger-handler")
    address = f"http://trigger-handler:{service['spec']['ports'][0]['port']}/"
    assert address.replace("trigger-handler", "trigger-handler.ml-in-production") == kfp_schedule.LOCAL_HANDLER
    jobs = of_kind(objects, "CronJob")
    assert len(jobs) == sum(len(load(folder).schedules) for folder in map(find, ("flight_delay",)))
    for job in jobs:
        usecase, *options = containers(job["spec"]["jobTemplate"]["spec"]["template"]["spec"])[0]["args"]
        written = dict(option.removeprefix("--").split("=") for option in options)
        assert (written["cause"], written["to"]) == ("schedule", address)
        assert job["spec"]["schedule"] == load(find(usecase)).schedules[written["schedule"]].cron
        assert (job["spec"]["timeZone"], job["spec"]["concurrencyPolicy"]) == ("Etc/UTC", "Forbid")


def test_events_reach_the_handler_from_slots_and_steps_alone() -> None:
    objects = overlay("kind")
    handler = named(objects, "Deployment", "trigger-handler")["spec"]["template"]["metadata"]["labels"]
    [job] = of_kind(objects, "CronJob")
    sender = job["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["labels"]
    [ingress] = named(objects, "NetworkPolicy", "events")["spec"]["ingress"]
    slots, steps = ingress["from"]
    assert matches(slots["podSelector"], sender)
    assert not matches(slots["podSelector"], handler)
    assert matches(steps["podSelector"], FOREIGN_PODS[1])
    for name, namespace in (("slot-sender", "ml-in-production"), ("steps-trigger-handler", "kubeflow")):
        [egress] = named(objects, "NetworkPolicy", name, namespace)["spec"]["egress"]
        assert matches(egress["to"][0]["podSelector"], handler)
        assert egress["ports"] == ingress["ports"] == [{"port": 8502, "protocol": "TCP"}]


def test_the_engine_is_a_component() -> None:
    [container] = named(with_component("tensorflow-serving"), "Deployment", "model-server")["spec"]["template"]["spec"][
        "containers"
    ]
    assert "--engine=tensorflow_serving" in container["args"]
    assert {container[probe]["httpGet"]["port"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")} == {
        "health"
    }


def test_with_an_identity_there_are_no_keys() -> None:
    [container] = named(with_component("workload-identity"), "Deployment", "model-server")["spec"]["template"]["spec"][
        "containers"
    ]
    assert [variable["name"] for variable in container["env"]] == ["MLOPS_HOME"]


def test_the_monitor_is_given_its_use_cases_by_a_line_each_in_an_overlay() -> None:
    """As many as the overlay names, each with a monitor of its own and an alarm that the handler may act on."""
    [job] = [job for job in of_kind(overlay("gke"), "CronJob") if job["metadata"]["name"] == "monitor"]
    spec = job["spec"]["jobTemplate"]["spec"]
    [container] = containers(spec["template"]["spec"])
    usecases = [word for word in container["args"] if not word.startswith("--")]
    written = yaml.safe_load((KUSTOMIZE / "overlays/gke/kustomization.yaml").read_text())["patches"]
    [patch] = [one["patch"] for one in written if one.get("target", {}).get("name") == "monitor"]
    assert len(usecases) == len(patch.strip().splitlines()) == len(set(usecases))
    for usecase in usecases:
        loaded = load(find(usecase))
        assert loaded.configured("monitor_model") and loaded.configured("join_feedback")
        assert {"drift", "performance"} & loaded.triggers.model_fields_set
    [rule] = spec["podFailurePolicy"]["rules"]
    assert (rule["action"], 3 in rule["onExitCodes"]["values"]) == ("FailJob", True), "an alarm is not run again"
    assert rule["onExitCodes"]["containerName"] == container["name"]


def test_the_component_alone_monitors_nothing_and_another_use_case_is_another_line() -> None:
    [template] = [spec for name, spec in pod_templates(with_component("monitoring")) if name == "monitor"]
    assert all(word.startswith("--") for word in containers(template["spec"])[0]["args"])


def test_the_gateway_leads_to_pods_that_are_ready_and_are_let_in() -> None:
    objects = overlay("gke")
    gateway = named(objects, "Gateway", "models")["spec"]
    route = named(objects, "HTTPRoute", "model-server")["spec"]
    [listener] = gateway["listeners"]
    assert (gateway["gatewayClassName"], listener["protocol"]) == ("gke-l7-rilb", "HTTPS"), "internal, with TLS"
    assert route["parentRefs"] == [{"name": "models", "sectionName": listener["name"]}]
    [rule] = route["rules"]
    [backend] = rule["backendRefs"]
    service = named(objects, "Service", backend["name"])["spec"]
    assert backend["port"] in {port["port"] for port in service["ports"]}
    assert {match["path"]["value"] for match in rule["matches"]} == {"/v1/models", "/v2"}
    spec = named(objects, "Deployment", "model-server")["spec"]["template"]["spec"]
    [container] = containers(spec)
    for kind in ("HealthCheckPolicy", "GCPBackendPolicy"):
        assert named(objects, kind, "model-server")["spec"]["targetRef"]["name"] == backend["name"]
    health = named(objects, "HealthCheckPolicy", "model-server")["spec"]["default"]["config"]["httpHealthCheck"]
    assert health["requestPath"] == container["readinessProbe"]["httpGet"]["path"]
    assert health["port"] == container["ports"][0]["containerPort"]
    [ingress] = named(objects, "NetworkPolicy", "gateway")["spec"]["ingress"]
    assert {"35.191.0.0/16", "130.211.0.0/22"} < {one["ipBlock"]["cidr"] for one in ingress["from"]}
    draining = named(objects, "GCPBackendPolicy", "model-server")["spec"]["default"]["connectionDraining"]
    assert seconds_of(spec, "--drain") < draining["drainingTimeoutSec"] < spec["terminationGracePeriodSeconds"]


def test_replicas_on_gke_are_the_autoscalers_and_one_can_always_go() -> None:
    objects = overlay("gke")
    server = named(objects, "Deployment", "model-server")
    scaler = named(objects, "HorizontalPodAutoscaler", "model-server")["spec"]
    assert "replicas" not in server["spec"], "an apply would fight the autoscaler"
    assert (scaler["scaleTargetRef"]["kind"], scaler["scaleTargetRef"]["name"]) == ("Deployment", "model-server")
    assert 2 <= scaler["minReplicas"] < scaler["maxReplicas"]
    budget = named(objects, "PodDisruptionBudget", "model-server")["spec"]
    assert budget["maxUnavailable"] < scaler["minReplicas"]


def test_pods_on_gke_have_an_account_and_no_key() -> None:
    objects = overlay("gke")
    table = yaml.safe_load((KUSTOMIZE.parent / "infra" / "permissions.yaml").read_text())["duties"]
    for _, template in pod_templates(objects):
        spec = template["spec"]
        [container] = containers(spec)
        assert not [one["name"] for one in container.get("env", []) if "KEY" in one["name"]]
        if "mlops/store" not in template["metadata"]["labels"]:
            continue
        account = named(objects, "ServiceAccount", spec["serviceAccountName"])["metadata"]["annotations"]
        duty = re.fullmatch(r"mlops-([a-z]+)@PROJECT\..*", account["iam.gke.io/gcp-service-account"])
        assert duty and duty[1] in table
    [egress, *identity] = named(objects, "NetworkPolicy", "store")["spec"]["egress"]
    assert [block["ports"][0]["port"] for block in (egress, *identity)] == [443, 988, 80]
    store = named(objects, "ConfigMap", "mlops-store")["data"]
    assert store["MLOPS_STORE"].startswith("gs://")


def test_managed_prometheus_scrapes_a_port_of_the_server() -> None:
    objects = overlay("gke")
    monitoring = named(objects, "PodMonitoring", "model-server")["spec"]
    template = named(objects, "Deployment", "model-server")["spec"]["template"]
    assert matches(monitoring["selector"], template["metadata"]["labels"])
    ports = {port["name"] for port in containers(template["spec"])[0]["ports"]}
    assert {endpoint["port"] for endpoint in monitoring["endpoints"]} <= ports


def test_no_kustomization_uses_what_kustomize_has_given_up() -> None:
    given_up = {"commonLabels", "bases", "patchesStrategicMerge", "patchesJson6902", "vars", "imageTags"}
    for path in KUSTOMIZE.rglob("kustomization.yaml"):
        assert not given_up & yaml.safe_load(path.read_text()).keys(), path
