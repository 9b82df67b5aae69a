"""Names of images: what they mean in full, where they stand in manifests, and putting others in their place."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlops.cluster.manifests.workloads import containers

_IN_CONFIG = re.compile(r"image$", re.IGNORECASE)
_REFERENCE = re.compile(r"[\w.-]+(:\d+)?(/[\w.-]+)*(:[\w.-]+)?(@sha256:[0-9a-f]{64})?", re.ASCII)
_HUB = "docker.io"


@dataclass(frozen=True)
class Place:
    """One place in a manifest where an image's name stands."""

    holder: Any
    key: str | int

    @property
    def name(self) -> str:
        """The image's name at this place."""
        return str(self.holder[self.key])


def full(name: str) -> str:
    """Write a name as containerd does: with its registry and a tag; `mysql:8.4` is `docker.io/library/mysql:8.4`."""
    path, at, digest = name.partition("@")
    first, slash, rest = path.partition("/")
    if not slash:
        path = f"{_HUB}/library/{path}"
    elif not re.search(r"[.:]", first) and first != "localhost":
        path = f"{_HUB}/{path}"
    elif first in {_HUB, "index.docker.io"}:
        path = f"{_HUB}/{rest if '/' in rest else f'library/{rest}'}"
    if not at and ":" not in path.rsplit("/", 1)[-1]:
        path = f"{path}:latest"
    return f"{path}{at}{digest}"


def registry(name: str) -> str:
    """Return the registry that holds an image."""
    return full(name).split("/", 1)[0]


def named(objects: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return every image that objects name, in order, each once."""
    return list(dict.fromkeys(place.name for item in objects for place in _places(item)))


def replace(objects: Sequence[Mapping[str, Any]], others: Mapping[str, str]) -> None:
    """Put other images in the place of those named; a key that ends in a slash stands for all that begin with it."""
    for item in objects:
        for place in _places(item):
            place.holder[place.key] = replaced(place.name, others)


def replaced(name: str, others: Mapping[str, str]) -> str:
    """Return the image to use for a name: the one given for it, else by its longest beginning, else itself."""
    exact = {full(old): new for old, new in others.items() if not old.endswith("/")}
    if (new := exact.get(full(name))) is not None:
        return new
    beginnings = [old for old in others if old.endswith("/") and full(name).startswith(old)]
    if not beginnings:
        return name
    longest = max(beginnings, key=len)
    return others[longest] + full(name).removeprefix(longest)


def _places(item: Mapping[str, Any]) -> Iterator[Place]:
    """Yield where an object names images: containers, their variables and arguments, and configuration."""
    for container in containers(item):
        if container.get("image"):
            yield Place(container, "image")
        for variable in container.get("env") or ():
            if variable["name"].endswith("_IMAGE") and _is_reference(variable.get("value")):
                yield Place(variable, "value")
        arguments = container.get("args") or []
        for index, argument in enumerate(arguments[:-1]):
            if str(argument).startswith("--") and _IN_CONFIG.search(str(argument)):
                yield Place(arguments, index + 1)
    if item.get("kind") == "ConfigMap":
        data = item.get("data") or {}
        yield from (Place(data, key) for key in data if _IN_CONFIG.search(key) and _is_reference(data[key]))


def _is_reference(value: Any) -> bool:
    return isinstance(value, str) and _REFERENCE.fullmatch(value) is not None
