"""Stands in for docker, kind and kubectl: programs of these names ask one server, which keeps a pretended cluster.

It records every call. The programs are a few lines of bash: one in Python costs twenty times as much.
"""

import json
import os
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAM = """#!/bin/bash
LC_ALL=C
exec 3<>/dev/tcp/127.0.0.1/%d
IFS= read -r -d '' input
printf '%%s\\0' "$PPID" "${0##*/}" "$@" >&3
printf '\\0\\0%%s\\0' "$input" >&3
IFS= read -r -d '' code <&3
IFS= read -r -d '' stderr <&3
IFS= read -r -d '' out <&3
printf '%%s' "$stderr" >&2
printf '%%s' "$out"
exit "$code"
"""
CHANGES = (
    "kind create",
    "kind delete",
    "kind load",
    "kind export",
    "docker start",
    "docker unpause",
    "docker pull",
    "docker network rm",
    "docker image rm",
    "kubectl apply",
    "kubectl delete",
)


class Ended(Exception):
    """A stand-in ends with a code and its last lines of output."""

    def __init__(self, code: int, stderr: str = "", out: str = "") -> None:
        super().__init__(stderr)
        self.code, self.stderr, self.out = code, stderr, out


@dataclass(frozen=True)
class Call:
    """One call: the arguments as given, without kubectl's context in `line`."""

    argv: list[str]
    line: str
    stdin: str = ""

    @property
    def changes(self) -> bool:
        return self.line.startswith(CHANGES)


class Machine:
    """What the stand-ins know and what was asked of them."""

    def __init__(self, state: dict[str, Any]) -> None:
        self.state = state
        self.rules: list[dict[str, Any]] = []
        self.calls: list[Call] = []
        self._lock = threading.Lock()

    def answer(self, parent: int, argv: list[str], stdin: str) -> str:
        """Answer one call, or end it as a rule asks."""
        tool, *arguments = argv
        with self._lock:
            if arguments[:1] == ["--context"]:
                if arguments[1] not in self.state["contexts"]:
                    raise Ended(1, f'error: context "{arguments[1]}" does not exist')
                arguments = arguments[2:]
            line = " ".join([tool, *arguments])
            self.calls.append(Call(argv, line, stdin))
            self.obey(line, parent)
            program = {"docker": Docker, "kind": Kind, "kubectl": Kubectl}[tool](self, arguments, stdin, parent)
            output = getattr(program, arguments[0].replace("-", "_"))()
        return output if isinstance(output, str) else json.dumps(output) if output is not None else ""

    def obey(self, line: str, parent: int) -> None:
        """Do what the test asked for at this call: end with a code, or end the one who called."""
        for rule in self.rules:
            if rule["when"] in line:
                if "signal" in rule:
                    self.rules.remove(rule)
                    os.kill(parent, rule["signal"])
                    raise Hang
                raise Ended(rule.get("code", 1), rule.get("says", "it did not work"))


class Hang(Exception):
    """No answer comes."""


@contextmanager
def serving(machine: Machine, folder: Path) -> Iterator[None]:
    """Put the three programs into a folder and answer them."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            head, stdin = _received(self.request)
            parent, *argv = head
            if "port-forward" in argv:
                return _forward(self.request, machine, argv)
            try:
                code, stderr, out = 0, "", machine.answer(int(parent), argv, stdin)
            except Ended as ended:
                code, stderr, out = ended.code, ended.stderr, ended.out
            except Hang:
                self.request.recv(1)
                return None
            return self.request.sendall(f"{code}\0{stderr}\0{out}\0".encode())

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False
        request_queue_size = 64

    with Server(("127.0.0.1", 0), Handler) as server:
        folder.mkdir(exist_ok=True)
        for tool in ("docker", "kind", "kubectl"):
            (folder / tool).write_text(PROGRAM % server.server_address[1])
            (folder / tool).chmod(0o755)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield
        server.shutdown()


def _received(connection: socket.socket) -> tuple[list[str], str]:
    content = b""
    while b"\0\0\0" not in content or not content.endswith(b"\0"):
        part = connection.recv(65536)
        if not part:
            break
        content += part
    head, _, stdin = content.partition(b"\0\0\0")
    return head.decode().split("\0"), stdin.rstrip(b"\0").decode()


def _forward(connection: socket.socket, machine: Machine, argv: list[str]) -> None:
    """Listen until the program that was started for it is gone."""
    machine.calls.append(Call(argv, " ".join([argv[0], *argv[3:]])))
    if not machine.state["ready"]:
        connection.sendall(b"1\0error: service not found\0\0")
        return
    machine.state["forwards"] = [*machine.state.get("forwards", []), connection]  # before anybody can connect
    with socket.create_server(("127.0.0.1", int(argv[-1].partition(":")[0]))) as server:
        threading.Thread(target=_greet, args=(server,), daemon=True).start()
        connection.recv(1)
        server.shutdown(socket.SHUT_RDWR)


def _greet(server: socket.socket) -> None:
    try:
        while True:
            with server.accept()[0] as visitor:
                visitor.sendall(b"hello")
    except OSError:
        return


def full(name: str) -> str:
    name = name.removeprefix("docker.io/")
    if "/" in name and "." in name.split("/")[0]:
        return name
    return f"docker.io/{name if '/' in name else f'library/{name}'}"


def key(item: dict[str, Any]) -> str:
    return f"{item['kind']} {item['metadata'].get('namespace', '')} {item['metadata']['name']}"


class Program:
    """One call of one program."""

    def __init__(self, machine: Machine, arguments: list[str], stdin: str, parent: int) -> None:
        self.machine, self.arguments, self.stdin, self.parent = machine, arguments, stdin, parent
        self.state = machine.state

    def option(self, name: str) -> str:
        for index, word in enumerate(self.arguments):
            if word == name:
                return self.arguments[index + 1]
            if word.startswith(f"{name}="):
                return word.partition("=")[2]
        return ""

    def names(self, start: int) -> list[str]:
        return [word for word in self.arguments[start:] if not word.startswith("-")]


class Docker(Program):
    def version(self) -> Any:
        client = {"Version": self.state["versions"]["docker"]}
        if self.state["engine"] != "up":
            raise Ended(1, self.state["engine"], json.dumps({"Client": client, "Server": None}))
        return {"Client": client, "Server": {"Version": self.state["versions"]["engine"]}}

    def info(self) -> Any:
        return self.state["info"]

    def context(self) -> str:
        return "unix:///var/run/docker.sock"

    def image(self) -> Any:
        images: dict[str, int] = self.state["docker"]
        if self.arguments[1] == "ls":
            return "\n".join(name for name in images if name.startswith(self.arguments[-1].rstrip("*")))
        names = self.names(2)
        if self.arguments[1] == "rm":
            return [images.pop(name) for name in names]
        found = json.dumps(
            [{"Id": f"sha256:{name}", "Size": images[name], "RepoTags": [name]} for name in names if name in images]
        )
        raise Ended(0 if all(name in images for name in names) else 1, "", found)

    def exec(self) -> Any:
        return {"images": [{"repoTags": [full(name)], "repoDigests": []} for name in self.state["node_images"]]}

    def inspect(self) -> Any:
        return self.state["node"] if "State" in self.option("--format") else self.state["ports"]

    def start(self) -> None:
        self.state["node"] = "running"

    unpause = start

    def network(self) -> None:
        self.state["network"] = False

    def ps(self) -> str:
        return "CONTAINER ID"

    logs = ps


class Kind(Program):
    def version(self) -> str:
        return f"kind {self.state['versions']['kind']} go1.24 linux/amd64"

    def get(self) -> str:
        if self.arguments[1] == "clusters":
            return "\n".join(name for name in (*self.state["others"], self.state["cluster"]) if name)
        return f"{self.state['cluster']}-control-plane" if self.state["cluster"] == self.option("--name") else ""

    def create(self) -> None:
        if self.state["cluster"]:
            raise Ended(1, "ERROR: node(s) already exist for a cluster")
        node = json.loads(self.stdin)["nodes"][0]
        ports = {
            f"{one['containerPort']}/tcp": [{"HostIp": one["listenAddress"], "HostPort": str(one["hostPort"])}]
            for one in node["extraPortMappings"]
        }
        self.state.update(
            cluster=self.option("--name"), node="running", ready=False, network=True, ports=ports, labels=node["labels"]
        )
        try:
            self.machine.obey("half of kind create", self.parent)
        except Ended:
            self.state["cluster"] = ""
            raise
        self.state.update(ready=True, contexts=[*self.state["contexts"], f"kind-{self.state['cluster']}"])

    def delete(self) -> None:
        kept = [one for one in self.state["contexts"] if one != f"kind-{self.state['cluster']}"]
        self.state.update(cluster="", ready=False, node_images=[], objects={}, contexts=kept)

    def export(self) -> None:
        self.state["contexts"].append(f"kind-{self.state['cluster']}")

    def load(self) -> None:
        names = self.names(4)
        if missing := [name for name in names if name not in self.state["docker"]]:
            raise Ended(1, f'ERROR: image: "{missing[0]}" not present locally')
        self.state["node_images"] += [name for name in names if name not in self.state["node_images"]]


class Kubectl(Program):
    def version(self) -> Any:
        return {"clientVersion": {"gitVersion": self.state["versions"]["kubectl"]}}

    def config(self) -> str:
        return "\n".join(self.state["contexts"])

    def kustomize(self) -> str:
        folder = Path(self.state["remote"].get(self.arguments[1], self.arguments[1]))
        if not folder.is_dir():
            raise Ended(1, f"error: failed to run git fetch {folder}: could not resolve host")
        return "\n---\n".join(
            path.read_text() for path in sorted(folder.glob("*.yaml")) if path.name != "kustomization.yaml"
        )

    def need(self) -> None:
        if not self.state["ready"] or self.state["node"] != "running":
            raise Ended(1, "The connection to the server 127.0.0.1:6443 was refused")

    def get(self) -> Any:
        self.need()
        kinds, namespace = self.arguments[1], self.option("--namespace")
        if kinds.startswith("--raw"):
            return "ok"
        if kinds in ("secret", "configmap"):
            return self.one({"secret": "Secret", "configmap": "ConfigMap"}[kinds], namespace, self.arguments[2])
        if kinds == "nodes":
            return {"items": [self.node()]}
        deployments = self.live(namespace, "Deployment")
        found = {
            "pods": map(self.pod, deployments),
            "deployments,statefulsets": map(self.deployment, deployments),
            "secrets": self.live(namespace, "Secret"),
        }
        return {"items": list(found.get(kinds, ()))}

    def one(self, kind: str, namespace: str, name: str) -> Any:
        found = self.state["objects"].get(f"{kind} {namespace} {name}")
        if not found:
            raise Ended(1, f'Error from server (NotFound): {kind} "{name}" not found')
        return found

    def live(self, namespace: str, kind: str) -> list[dict[str, Any]]:
        objects = self.state["objects"].values()
        return [
            item for item in objects if item["kind"] == kind and namespace in ("", item["metadata"].get("namespace"))
        ]

    def node(self) -> dict[str, Any]:
        conditions = [{"type": "Ready", "status": "True"}]
        status = {
            "conditions": conditions,
            "allocatable": {"cpu": self.state["cpus"]},
            "nodeInfo": {"kubeletVersion": self.state["versions"]["node"]},
        }
        return {
            "metadata": {"name": f"{self.state['cluster']}-control-plane", "labels": self.state["labels"]},
            "status": status,
        }

    def pod(self, item: dict[str, Any]) -> dict[str, Any]:
        name, spec = item["metadata"]["name"], item["spec"]["template"]["spec"]
        status = self.state["pods"].get(name) or {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True"}],
        }
        metadata = {
            "name": f"{name}-0",
            "namespace": item["metadata"]["namespace"],
            "labels": item["spec"]["selector"]["matchLabels"],
        }
        return {"metadata": metadata, "spec": {**spec, "nodeName": "node"}, "status": status}

    def deployment(self, item: dict[str, Any]) -> dict[str, Any]:
        ready = 0 if item["metadata"]["name"] in self.state["pods"] else 1
        status = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": ready}
        return {**item, "metadata": {**item["metadata"], "generation": 1}, "status": status}

    def given(self) -> dict[str, dict[str, Any]]:
        return {key(item): item for item in json.loads(self.stdin)["items"]}

    def diff(self) -> None:
        self.need()
        if any(self.state["objects"].get(name) != item for name, item in self.given().items()):
            raise Ended(1)

    def apply(self) -> None:
        self.need()
        self.state["objects"].update(self.given())

    def delete(self) -> None:
        self.need()
        for name in self.given():
            self.state["objects"].pop(name, None)

    def wait(self) -> None:
        self.need()

    def describe(self) -> str:
        return "described"

    def logs(self) -> str:
        return str(self.state["log"])
