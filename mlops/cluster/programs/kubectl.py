"""One cluster, read and changed through kubectl, always by its own context."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from mlops.cluster.errors import CommandFailed
from mlops.cluster.programs.commands import Commands, Done, parsed
from mlops.cluster.settings import read

MANAGER = "mlops"
"""Under this name Kubernetes remembers which fields are ours."""

Object = dict[str, Any]


class Kubectl:
    """kubectl bound to one context, so that it never changes another cluster."""

    def __init__(self, commands: Commands, context: str) -> None:
        self.commands = commands
        self.context = context

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Kubectl":
        """Reach the cluster that an environment names; UsageError for a variable that cannot be used."""
        return cls(Commands(environment), read(environment).context)

    def argv(self, *words: str) -> list[str]:
        """Return the whole command line for kubectl's own words."""
        return ["kubectl", "--context", self.context, *words]

    def run(self, *words: str, stdin: str = "", seconds: float = 60.0, check: bool = True) -> Done:
        """Call kubectl; CommandFailed as in `Commands.run`."""
        return self.commands.run(self.argv(*words), stdin=stdin, seconds=seconds, check=check)

    def get(self, *words: str, seconds: float = 20.0) -> Object:
        """Return what `kubectl get` finds, as plain values; CommandFailed when it is missing or cannot be read."""
        done = self.run("get", *words, "--output=json", f"--request-timeout={round(seconds)}s", seconds=seconds + 5)
        found = parsed(done.stdout)
        if not isinstance(found, dict):
            raise CommandFailed(
                f"`kubectl get {' '.join(words)}` answered {done.stdout[:80]!r}, which is no JSON object"
            )
        return found

    def items(self, *words: str) -> list[Object]:
        """Return the objects of a list; nothing when the cluster does not answer or knows no such kind."""
        try:
            return list(self.get(*words).get("items", []))
        except CommandFailed:
            return []

    def is_ready(self) -> bool:
        """Whether the API server answers, and says that it is well."""
        try:
            return self.run("get", "--raw=/readyz", "--request-timeout=5s", seconds=10, check=False).code == 0
        except CommandFailed:
            return False

    def apply(self, objects: Sequence[Object], seconds: float) -> bool:
        """Make the cluster hold these objects as given; returns whether anything had to change.

        They travel on standard input, so that no value of a Secret is on a command line or on the disk; `kubectl diff`
        writes files, so it is never asked about a Secret.
        """
        text = as_list(objects)
        options = ("--server-side", "--force-conflicts", f"--field-manager={MANAGER}", "--filename=-")
        is_open = all(item["kind"] != "Secret" for item in objects)
        if is_open and self.run("diff", *options, stdin=text, seconds=seconds, check=False).code == 0:
            return False
        self.run("apply", *options, stdin=text, seconds=seconds)
        return True


def as_list(objects: Sequence[Object]) -> str:
    """Write objects as one document that kubectl reads."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
