"""The workflow files as data."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from tests.infra.rendered import ROOT

FOLDER = ROOT / ".github" / "workflows"
Values = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """One step, and where it is."""

    file: str
    job: str
    number: int
    body: Values

    @property
    def where(self) -> str:
        return f"{self.file} {self.job}[{self.number}]"

    @property
    def action(self) -> str:
        """Name of the action that it uses, without its version; empty for a command."""
        return str(self.body.get("uses", "")).partition("@")[0]


@functools.cache
def _text(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def names() -> list[str]:
    return sorted(path.name for path in FOLDER.glob("*.yml"))


def load(name: str) -> Values:
    """Return a workflow; the key `on`, which YAML 1.1 reads as true, is a string again."""
    read: Values = yaml.load(_text(name), Loader=yaml.CSafeLoader)
    return {"on" if key is True else key: value for key, value in read.items()}


def jobs() -> Iterator[tuple[str, str, Values]]:
    """Yield file, name and body of each job."""
    for name in names():
        for job, body in load(name)["jobs"].items():
            yield name, job, body


def steps() -> Iterator[Step]:
    for name, job, body in jobs():
        for number, step in enumerate(body.get("steps", ())):
            yield Step(name, job, number, step)
