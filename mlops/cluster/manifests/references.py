"""Image references: their full form, their fields in manifests, and replacing them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlops.cluster.manifests.workloads import containers

_IN_CONFIG = re.compile(r"image$", re.IGNORECASE)
_REFERENCE = re.compile(r"[\w.-]+(:\d+)?(/[\w.-]+)*(:[\w.-]+)?(@sha256:[0-9a-f]{64})?", re.ASCII)
_HUB = "docker.io"


@dataclass(frozen=True)
class ImageField:
    """One field of a manifest that names an image."""

    holder: Any
    """The mapping or list that the field is in."""
    key: str | int

    @property
    def name(self) -> str:
        """The image's name in this field."""
        return str(self.holder[self.key])


def full(name: str) -> str:
    """Return a name with registry and tag, as containerd writes it: `docker.io/library/mysql:8.4` for `mysql:8.4`."""
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
    """Return the registry of an image."""
    return full(name).split("/", 1)[0]


def named(objects: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return every image that objects name, in order, each once."""
    names = []
    for item in objects:
        names += [field.name for field in _image_fields(item)]
    return list(dict.fromkeys(names))


def replace(objects: Sequence[Mapping[str, Any]], others: Mapping[str, str]) -> None:
    """Replace the images that objects name, in place, as `replaced` does."""
    for item in objects:
        for field in _image_fields(item):
            field.holder[field.key] = replaced(field.name, others)


def replaced(name: str, others: Mapping[str, str]) -> str:
    """Return the image to use for a name: the one given for it, else for its longest prefix, else the name itself.

    A key of `others` is a prefix when it ends with a slash.
    """
    exact = {full(old): new for old, new in others.items() if not old.endswith("/")}
    if (new := exact.get(full(name))) is not None:
        return new
    prefixes = [old for old in others if old.endswith("/") and full(name).startswith(old)]
    if not prefixes:
        return name
    longest = max(prefixes, key=len)
    return others[longest] + full(name).removeprefix(longest)


def _image_fields(item: Mapping[str, Any]) -> Iterator[ImageField]:
    """Yield the fields of an object that name images: in containers, their variables and arguments, and ConfigMaps."""
    for container in containers(item):
        if container.get("image"):
            yield ImageField(container, "image")
        for variable in container.get("env") or ():
            if variable["name"].endswith("_IMAGE") and _is_reference(variable.get("value")):
                yield ImageField(variable, "value")
        arguments = container.get("args") or []
        for index, argument in enumerate(arguments[:-1]):
            if str(argument).startswith("--") and _IN_CONFIG.search(str(argument)):
                yield ImageField(arguments, index + 1)
    if item.get("kind") == "ConfigMap":
        data = item.get("data") or {}
        yield from (ImageField(data, key) for key in data if _IN_CONFIG.search(key) and _is_reference(data[key]))


def _is_reference(value: Any) -> bool:
    return isinstance(value, str) and _REFERENCE.fullmatch(value) is not None
