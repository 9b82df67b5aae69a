"""Checks that docker, its engine, kind and kubectl are installed and new enough."""

import platform
from typing import Any

from core.finding import Finding
from mlops.cluster.errors import CommandFailed
from mlops.cluster.programs.commands import Commands, parsed

OLDEST = {"docker": (20, 10), "kind": (0, 20), "kubectl": (1, 27)}
"""Why: kind requires this docker, containerd's present configuration this kind, kustomize 5 this kubectl."""


def examine(commands: Commands) -> list[Finding]:
    """Check docker, its engine, kind and kubectl; changes nothing."""
    return [*docker(commands), kind(commands), kubectl(commands)]


def docker(commands: Commands) -> list[Finding]:
    """Check docker, and the engine that it reaches through DOCKER_HOST or its context."""
    try:
        done = commands.run(["docker", "version", "--format", "{{json .}}"], seconds=20, check=False)
    except CommandFailed as error:
        return [Finding("docker", False, _short(error), _how_to_install("docker"))]
    version: dict[str, Any] = parsed(done.stdout) or {}
    client = _at_least_oldest("docker", str((version.get("Client") or {}).get("Version", "")))
    server = version.get("Server") or {}
    if done.code or ("Client" in version and not server):
        last = (done.stderr.strip() or "it does not answer").splitlines()[-1]
        return [client, Finding("docker engine", False, last, _engine_fix(done.stderr))]
    return [client, _at_least_oldest("docker", str(server.get("Version", "")), "docker engine")]


def kind(commands: Commands) -> Finding:
    """Check kind."""
    try:
        parts = commands.run(["kind", "version"], seconds=20).stdout.split()
    except CommandFailed as error:
        return Finding("kind", False, _short(error), _how_to_install("kind"))
    return _at_least_oldest("kind", next((part for part in parts if part.startswith("v")), ""))


def kubectl(commands: Commands) -> Finding:
    """Check kubectl."""
    try:
        version = parsed(commands.run(["kubectl", "version", "--client", "--output=json"], seconds=20).stdout) or {}
    except CommandFailed as error:
        return Finding("kubectl", False, _short(error), _how_to_install("kubectl"))
    return _at_least_oldest("kubectl", str((version.get("clientVersion") or {}).get("gitVersion", "")))


def skew(client: str, node: str) -> Finding:
    """Check that kubectl and the node are at most a minor version apart; more is unsupported, but mostly works."""
    ours, theirs = version_numbers(client)[:2], version_numbers(node)[:2]
    is_near = len(ours) < 2 or len(theirs) < 2 or (ours[0] == theirs[0] and abs(ours[1] - theirs[1]) <= 1)
    fix = f"install kubectl {theirs[0]}.{theirs[1]}" if not is_near else ""
    return Finding("kubectl and node", is_near, f"{client}, node {node or 'of kind'}", fix, required=False)


def version_numbers(text: str) -> tuple[int, ...]:
    """Parse the numbers of a version such as v1.33.1-rc.0, up to the first part that is not a number."""
    numbers = []
    for part in text.removeprefix("v").split("-")[0].split("+")[0].split("."):
        if not part.isdigit():
            break
        numbers.append(int(part))
    return tuple(numbers)


def _at_least_oldest(tool: str, version: str, name: str = "") -> Finding:
    """Compare a version with the oldest that works; one that cannot be parsed passes."""
    numbers = version_numbers(version)
    oldest = ".".join(map(str, OLDEST[tool]))
    if numbers and numbers < OLDEST[tool]:
        return Finding(name or tool, False, f"{version}, wanted {oldest} or later", _how_to_install(tool))
    return Finding(name or tool, True, version or "of an unknown version")


def _engine_fix(output: str) -> str:
    if "permission denied" in output.lower():
        return "sudo usermod -aG docker $USER, then log in again"
    return "start Docker (sudo systemctl start docker, or Docker Desktop), or set DOCKER_HOST to an engine that runs"


def _how_to_install(tool: str) -> str:
    system, machine = (
        platform.system().lower(),
        {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine()),
    )
    if system == "darwin":
        return {"docker": "brew install --cask docker"}.get(tool, f"brew install {tool}")
    put = f"chmod +x {tool} && sudo mv {tool} /usr/local/bin/"
    return {
        "docker": "https://docs.docker.com/engine/install/, or on Debian and Ubuntu: sudo apt-get install docker.io",
        "kind": f"curl -Lo kind https://kind.sigs.k8s.io/dl/v0.33.0/kind-linux-{machine} && {put}",
        "kubectl": (
            'curl -LO "https://dl.k8s.io/release/$(curl -Ls https://dl.k8s.io/release/stable.txt)'
            f'/bin/linux/{machine}/kubectl" && {put}'
        ),
    }[tool]


def _short(error: CommandFailed) -> str:
    return "not installed" if "cannot be started" in str(error) else str(error)
