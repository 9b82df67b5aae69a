"""The commands of a `run:`, and what the command line and the Makefile know of them."""

import re
import shlex
from collections.abc import Iterator

import click

from mlops.cli.main import cli
from tests.infra.rendered import ROOT

MLOPS = ".venv/bin/mlops"
_REDIRECTED = re.compile(r"\s+>{1,2}\s*\S+$")
_ASSIGNED = re.compile(r"^\w+=\$\((?P<command>.*)\)$")


def commands(script: str) -> Iterator[list[str]]:
    """Yield the words of each command, without what its output goes to."""
    for line in script.replace("\\\n", " ").splitlines():
        for part in line.split(" && "):
            command = _REDIRECTED.sub("", part.strip())
            if match := _ASSIGNED.match(command):
                command = match["command"]
            if command and not command.startswith("#"):
                yield shlex.split(command)


def check_mlops(arguments: list[str]) -> None:
    """Parse arguments as the command line does; click's UsageError for a verb or an option that there is not."""
    command: click.Command = cli
    context = click.Context(cli)
    words = list(arguments)
    while isinstance(command, click.Group):
        name = words.pop(0)
        found = command.get_command(context, name)
        if found is None:
            raise click.UsageError(f"no verb {name!r} in mlops {' '.join(arguments)}")
        command = found
        context = click.Context(command, parent=context, info_name=name)
    command.make_context(context.info_name, words, parent=context.parent)


def makefile() -> tuple[set[str], set[str]]:
    """Return the targets of the Makefile, and the variables that a caller may set."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"(?m)^([a-z][a-z-]*):", text))
    return targets, set(re.findall(r"(?m)^([a-z]+) \?=", text))


def check_make(words: list[str]) -> None:
    """Raise UsageError for a target or a variable that the Makefile does not have."""
    targets, variables = makefile()
    for word in words:
        name, is_variable, value = word.partition("=")
        if is_variable:
            if name not in variables or "$" in value:
                raise click.UsageError(f"make {word}: wanted a variable of {sorted(variables)} with a fixed value")
        elif word not in targets:
            raise click.UsageError(f"make {word}: no such target")
