"""Kubernetes' Pod Security Standard "restricted" as one list of what a pod violates.

Written after https://kubernetes.io/docs/concepts/security/pod-security-standards/ for pods that run on Linux.
"""

from collections.abc import Iterator, Mapping
from typing import Any

VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
SECCOMP = {"RuntimeDefault", "Localhost"}
SELINUX = {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
GROUPS = ("initContainers", "containers", "ephemeralContainers")


def violations(spec: Mapping[str, Any]) -> list[str]:
    """Return what a pod's specification does that the standard forbids, as sentences."""
    return [
        *_pod(spec),
        *(f"{container['name']}: {said}" for container in containers(spec) for said in _container(spec, container)),
    ]


def containers(spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return all containers of a pod."""
    return [container for group in GROUPS for container in spec.get(group) or ()]


def _pod(spec: Mapping[str, Any]) -> Iterator[str]:
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(name):
            yield f"{name} is on"
    for volume in spec.get("volumes") or ():
        if kinds := set(volume) - {"name"} - VOLUMES:
            yield f"volume {volume['name']} is a {', '.join(kinds)}"
    context = spec.get("securityContext") or {}
    if context.get("runAsNonRoot") is False:
        yield "the pod may run as root"
    if context.get("sysctls"):
        yield "sysctls are set"
    yield from _shared(context)


def _container(spec: Mapping[str, Any], container: Mapping[str, Any]) -> Iterator[str]:
    context = container.get("securityContext") or {}
    inherited = {**(spec.get("securityContext") or {}), **context}
    if context.get("privileged"):
        yield "privileged"
    if context.get("allowPrivilegeEscalation") is not False:
        yield "may gain privileges"
    if inherited.get("runAsNonRoot") is not True:
        yield "may run as root"
    if (inherited.get("seccompProfile") or {}).get("type") not in SECCOMP:
        yield "has no seccomp profile"
    if context.get("procMount", "Default") != "Default":
        yield "sees /proc unmasked"
    capabilities = context.get("capabilities") or {}
    if "ALL" not in (capabilities.get("drop") or ()):
        yield "keeps capabilities"
    if added := set(capabilities.get("add") or ()) - {"NET_BIND_SERVICE"}:
        yield f"adds {', '.join(sorted(added))}"
    if any(port.get("hostPort") for port in container.get("ports") or ()):
        yield "takes a port of the host"
    if any(
        (container.get(probe) or {}).get("httpGet", {}).get("host")
        for probe in ("startupProbe", "readinessProbe", "livenessProbe")
    ):
        yield "probes another host"
    yield from _shared(context)


def _shared(context: Mapping[str, Any]) -> Iterator[str]:
    if context.get("runAsUser") == 0:
        yield "runs as user 0"
    if (context.get("seccompProfile") or {}).get("type", "RuntimeDefault") not in SECCOMP:
        yield "seccomp is off"
    if (context.get("appArmorProfile") or {}).get("type", "RuntimeDefault") not in SECCOMP:
        yield "AppArmor is off"
    selinux = context.get("seLinuxOptions") or {}
    if selinux.get("type", "") not in SELINUX or selinux.get("user") or selinux.get("role"):
        yield "sets SELinux options"
    if (context.get("windowsOptions") or {}).get("hostProcess"):
        yield "is a process of the host"
