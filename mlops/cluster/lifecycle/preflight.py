"""The checks before anything is changed; each failed one has a fix."""

import shutil
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from core.errors import MlopsError
from core.finding import Finding
from core.images import BASE
from mlops.cluster.manifests.kubeflow import locate
from mlops.cluster.manifests.references import registry, replaced
from mlops.cluster.nodes import images as node_images
from mlops.cluster.nodes import kind
from mlops.cluster.programs import tools
from mlops.cluster.programs.commands import parsed
from mlops.cluster.site import Site

GIB = 2**30
MEMORY = 3.8 * GIB
"""Kubeflow Pipelines idles at 1.3 GiB, and a training step takes 2.5 GiB more."""
DISK_AT_FIRST, ARCHIVE, DISK_LATER = 20 * GIB, 5 * GIB, 2 * GIB
"""Images are in the local Docker and twice on the node (packed, unpacked); loading needs an archive in MLOPS_HOME."""
_SURELY_TOO_LITTLE = 0.6
"""A share of the wanted space; less than that is never enough, whatever is loaded already."""
_HUB = "registry-1.docker.io"


def examine(site: Site) -> list[Finding]:
    """Run every check whose tools are there; none of them changes anything."""
    checks = tools.examine(site.commands)
    settled = {check.name: check.ok for check in checks}
    exists = settled["kind"] and site.settings.name in site.commands.output(["kind", "get", "clusters"]).split()
    if settled.get("docker engine"):
        checks += _host(site, exists=exists)
    if settled["kubectl"]:
        checks += _versions(site, checks, exists=exists)
        checks += _manifests(site)
    checks.append(_overlay(site))
    if settled.get("docker engine") and not exists and any(check.ok for check in checks if check.name == "manifests"):
        checks += [_node_image(site), _images(site)]
    return checks


def _host(site: Site, *, exists: bool) -> Iterator[Finding]:
    """Check the machine that Docker runs on, which need not be this one."""
    info: dict[str, Any] = parsed(site.commands.output(["docker", "info", "--format", "{{json .}}"])) or {}
    far = remote_engine(site)
    if far:
        yield Finding(
            "docker host",
            False,
            f"the engine is on {far}; kind opens its ports on that machine's 127.0.0.1 alone",
            "run this on that machine, or forward the ports of `docker ps` with ssh -L before the second call",
            required=False,
        )
    if count := info.get("NCPU"):
        yield Finding(
            "cpus",
            count >= 2,
            f"{count} for Docker",
            "" if count >= 2 else "give Docker at least 2 CPUs; a cluster alone takes one",
        )
    if size := info.get("MemTotal"):
        ok = size >= MEMORY
        yield Finding(
            "memory",
            ok,
            f"{size / GIB:.1f} GiB for Docker",
            "" if ok else f"give Docker {MEMORY / GIB:.1f} GiB: pipelines take 1.3, a step 2.5",
        )
    store = next(folder for folder in (site.folder, *site.folder.parents) if folder.is_dir())
    folders = {Path(info.get("DockerRootDir") or "/nowhere"): DISK_AT_FIRST, store: ARCHIVE}
    if not far:
        yield from (
            disk(folder, DISK_LATER if exists else wanted) for folder, wanted in folders.items() if folder.is_dir()
        )
        yield from () if exists else _ports(site)


def disk(folder: Path, wanted: int) -> Finding:
    """Check the free disk space of a folder, in bytes."""
    free = shutil.disk_usage(folder).free
    missing = f"{(wanted - free) / GIB:.1f} GiB"
    fix = f"free {missing} there with `docker system prune`, or move MLOPS_HOME to another disk"
    return Finding(
        "disk",
        free >= wanted,
        f"{free / GIB:.1f} GiB free at {folder}, wanted {wanted / GIB:.0f}",
        "" if free >= wanted else fix,
        required=free < _SURELY_TOO_LITTLE * wanted,
    )


def remote_engine(site: Site) -> str:
    """Return the address of Docker's engine when it is on another machine; empty otherwise."""
    host = site.commands.environment.get("DOCKER_HOST") or site.commands.output(
        ["docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"]
    )
    scheme, _, rest = host.partition("://")
    machine = rest.rpartition("@")[2].split("/")[0].rsplit(":", 1)[0]
    return host if scheme in {"tcp", "ssh", "https"} and machine not in {"localhost", "127.0.0.1", "[::1]"} else ""


def _ports(site: Site) -> Iterator[Finding]:
    for variable, port in (("MLOPS_PORT_UI", site.settings.ui_port), ("MLOPS_PORT_SERVER", site.settings.server_port)):
        if port:
            ok = is_free(port)
            yield Finding(
                "port",
                ok,
                f"{port} is {'free' if ok else 'taken'}",
                "" if ok else f"set {variable} to another port, or to 0 for none",
            )


def is_free(port: int) -> bool:
    """Whether a port of this machine's loopback address is free."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _versions(site: Site, checks: list[Finding], *, exists: bool) -> Iterator[Finding]:
    client = next(check.found for check in checks if check.name == "kubectl")
    running = site.kubectl.items("nodes") if exists else []
    if running:
        yield tools.skew(client, running[0]["status"]["nodeInfo"]["kubeletVersion"])
    else:
        yield tools.skew(client, kind.node_image(site.settings, site.commands).split("@")[0].rpartition(":")[2])


def _manifests(site: Site) -> Iterator[Finding]:
    try:
        is_remote = locate(site.settings).is_remote
        site.progress.waiting(f"rendering {site.settings.manifests}")
        count = sum(map(len, site.manifests.halves()))
    except MlopsError as error:
        fix = (
            "set MLOPS_KFP_MANIFESTS to a folder or checkout of Kubeflow Pipelines; an address needs git and a network"
        )
        yield Finding("manifests", False, str(error), fix)
        return
    yield Finding(
        "manifests", True, f"{count} objects from {'' if is_remote else 'the folder '}{site.settings.manifests}"
    )


def _overlay(site: Site) -> Finding:
    ok = (site.overlay / "kustomization.yaml").is_file()
    return Finding(
        "overlay",
        ok,
        str(site.overlay),
        "" if ok else "the project's own manifests are missing: git checkout kustomize",
    )


def _node_image(site: Site) -> Finding:
    """Check that the node's image is in the local Docker, or that its registry answers."""
    image = kind.node_image(site.settings, site.commands)
    if image and site.commands.run(["docker", "image", "inspect", image], check=False).code == 0:
        return Finding("node image", True, f"{image} is here")
    if not image and site.commands.output(["docker", "image", "ls", "--quiet", kind.REPOSITORY]):
        return Finding("node image", True, "the default of kind; one without a tag is here")
    host = registry(image or kind.REPOSITORY)
    found = f"{image or 'the default of kind'} is to be pulled from {host}"
    if is_reachable(host):
        return Finding("node image", True, found)
    fix = f"set MLOPS_KIND_NODE_IMAGE to an image of the local Docker, or docker load one named {kind.REPOSITORY}:v..."
    return Finding("node image", False, f"{found}, which does not answer", fix)


def _images(site: Site) -> Finding:
    """Check that the registries of images that the local Docker lacks answer.

    It is no more than a note with a node image of one's own, which may hold images already.
    """
    base = replaced(BASE, site.settings.overrides)
    names = [*site.manifests.needed_images(), base]
    here = {image.name for image in node_images.in_docker(site.commands, names)}
    lacking = [name for name in names if name not in here]
    hosts = sorted({registry(name) for name in lacking})
    with ThreadPoolExecutor() as threads:
        unanswered = {
            host for host, answered in zip(hosts, threads.map(is_reachable, hosts), strict=True) if not answered
        }
    unreachable = [name for name in lacking if registry(name) in unanswered]
    found = f"{len(here)} of {len(names)} are here, {len(lacking)} to be pulled"
    if not unreachable:
        return Finding("images", True, found)
    return Finding(
        "images",
        False,
        f"{found}, of which {len(unreachable)} from registries that do not answer: {', '.join(unreachable)}",
        "docker load or docker tag them, or set MLOPS_IMAGE_OVERRIDES=OLD=NEW,... (OLD/=MIRROR/ for a whole registry)",
        required=not site.settings.node_image,
    )


def is_reachable(host: str) -> bool:
    """Whether a registry answers, through the proxy that the environment names; asking for a login counts, too."""
    request = urllib.request.Request(f"https://{_HUB if host == 'docker.io' else host}/v2/", method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=4):  # noqa: S310 - https
            return True
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError):
        return False
