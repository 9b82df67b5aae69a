"""The function that says what a pod violates finds each violation."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.infra.pod_security import violations

Pod = dict[str, Any]
GOOD: Pod = {
    "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
    "volumes": [{"name": "tmp", "emptyDir": {}}],
    "containers": [
        {"name": "main", "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}}
    ],
}


def context(pod: Pod) -> dict[str, Any]:
    found: dict[str, Any] = pod["containers"][0]["securityContext"]
    return found


MUTATIONS: dict[str, tuple[Callable[[Pod], object], str]] = {
    "host network": (lambda pod: pod.update(hostNetwork=True), "hostNetwork is on"),
    "host processes": (lambda pod: pod.update(hostPID=True), "hostPID is on"),
    "host memory": (lambda pod: pod.update(hostIPC=True), "hostIPC is on"),
    "host path": (
        lambda pod: pod["volumes"].append({"name": "root", "hostPath": {"path": "/"}}),
        "volume root is a hostPath",
    ),
    "sysctl": (
        lambda pod: pod["securityContext"].update(sysctls=[{"name": "kernel.shm_rmid_forced", "value": "1"}]),
        "sysctls are set",
    ),
    "pod root": (lambda pod: pod["securityContext"].update(runAsUser=0), "runs as user 0"),
    "pod may be root": (lambda pod: pod["securityContext"].pop("runAsNonRoot"), "main: may run as root"),
    "root refused by nobody": (
        lambda pod: pod["securityContext"].update(runAsNonRoot=False),
        "the pod may run as root",
    ),
    "container may be root": (lambda pod: context(pod).update(runAsNonRoot=False), "main: may run as root"),
    "container root": (lambda pod: context(pod).update(runAsUser=0), "main: runs as user 0"),
    "no seccomp": (lambda pod: pod["securityContext"].pop("seccompProfile"), "main: has no seccomp profile"),
    "seccomp off": (lambda pod: context(pod).update(seccompProfile={"type": "Unconfined"}), "main: seccomp is off"),
    "AppArmor off": (lambda pod: context(pod).update(appArmorProfile={"type": "Unconfined"}), "main: AppArmor is off"),
    "SELinux": (lambda pod: context(pod).update(seLinuxOptions={"type": "spc_t"}), "main: sets SELinux options"),
    "SELinux user": (
        lambda pod: context(pod).update(seLinuxOptions={"user": "system_u"}),
        "main: sets SELinux options",
    ),
    "Windows": (
        lambda pod: context(pod).update(windowsOptions={"hostProcess": True}),
        "main: is a process of the host",
    ),
    "privileged": (lambda pod: context(pod).update(privileged=True), "main: privileged"),
    "escalation": (lambda pod: context(pod).pop("allowPrivilegeEscalation"), "main: may gain privileges"),
    "capabilities kept": (
        lambda pod: context(pod)["capabilities"].update(drop=["NET_RAW"]),
        "main: keeps capabilities",
    ),
    "capability added": (
        lambda pod: context(pod)["capabilities"].update(add=["NET_BIND_SERVICE", "SYS_ADMIN"]),
        "main: adds SYS_ADMIN",
    ),
    "proc": (lambda pod: context(pod).update(procMount="Unmasked"), "main: sees /proc unmasked"),
    "host port": (lambda pod: pod["containers"][0].update(ports=[{"hostPort": 80}]), "main: takes a port of the host"),
    "probe elsewhere": (
        lambda pod: pod["containers"][0].update(livenessProbe={"httpGet": {"host": "10.0.0.1"}}),
        "main: probes another host",
    ),
    "init container": (lambda pod: pod.update(initContainers=[{"name": "first"}]), "first: may gain privileges"),
}


def test_a_pod_within_the_standard_violates_nothing() -> None:
    assert violations(GOOD) == []


@pytest.mark.parametrize("name", MUTATIONS)
def test_each_violation_is_said(name: str) -> None:
    change, said = MUTATIONS[name]
    pod = copy.deepcopy(GOOD)
    change(pod)
    assert said in violations(pod)
