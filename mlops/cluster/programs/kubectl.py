"""Reads and changes one cluster through kubectl, always in its own context."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from mlops.cluster.errors import CommandFailed
from mlops.cluster.programs.commands import Commands, Done, parsed
from mlops.cluster.settings import read

MANAGER = "mlops"
"""Field manager under which Kubernetes records the fields that are applied here."""

Object = dict[str, Any]


class Kubectl:
    """kubectl with one context, so that it never changes another cluster."""

    def __init__(self, commands: Commands, context: str) -> None:
        self.commands = commands
        self.context = context

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Kubectl":
        """Return kubectl for the cluster that an environment names; UsageError for a variable that cannot be used."""
        return cls(Commands(environment), read(environment).context)

    def argv(self, *arguments: str) -> list[str]:
        """Return the whole command line for the arguments of kubectl."""
        return ["kubectl", "--context", self.context, *arguments]

    def run(self, *arguments: str, stdin: str = "", seconds: float = 60.0, check: bool = True) -> Done:
        """Call kubectl; CommandFailed as in `Commands.run`."""
        return self.commands.run(self.argv(*arguments), stdin=stdin, seconds=seconds, check=check)

    def get(self, *arguments: str, seconds: float = 20.0) -> Object:
        """Return the object of `kubectl get`; CommandFailed when it is missing or cannot be read."""
        done = self.run("get", *arguments, "--output=json", f"--request-timeout={round(seconds)}s", seconds=seconds + 5)
        found = parsed(done.stdout)
        if not isinstance(found, dict):
            raise CommandFailed(
                f"`kubectl get {' '.join(arguments)}` answered {done.stdout[:80]!r}, which is no JSON object"
            )
        return found

    def items(self, *arguments: str) -> list[Object]:
        """Return the objects of a list; empty when the cluster does not answer or has no such kind."""
        try:
            return list(self.get(*arguments).get("items", []))
        except CommandFailed:
            return []

    def is_ready(self) -> bool:
        """Whether the API server answers and reports that it is ready."""
        try:
            return self.run("get", "--raw=/readyz", "--request-timeout=5s", seconds=10, check=False).code == 0
        except CommandFailed:
            return False

    def apply(self, objects: Sequence[Object], seconds: float) -> bool:
        """Apply objects to the cluster, server-side; return whether anything had to change.

        They are passed on standard input, so that no value of a Secret is on a command line or on the disk; `kubectl
        diff` writes files, so it is never called for a Secret.
        """
        text = as_list(objects)
        options = ("--server-side", "--force-conflicts", f"--field-manager={MANAGER}", "--filename=-")
        is_open = all(item["kind"] != "Secret" for item in objects)
        if is_open and self.run("diff", *options, stdin=text, seconds=seconds, check=False).code == 0:
            return False
        self.run("apply", *options, stdin=text, seconds=seconds)
        return True


def as_list(objects: Sequence[Object]) -> str:
    """Return objects as one JSON document that kubectl reads."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
