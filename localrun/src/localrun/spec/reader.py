"""Reads YAML that is not trusted: bounded in size, depth and number of nodes, no aliases, no duplicate keys."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from localrun.errors import InvalidPipeline

_SIZE = 16 * 1024 * 1024
_DEPTH = 64
_NODES = 1_000_000

try:
    _Base: Any = yaml.CSafeLoader
except AttributeError:  # PyYAML without libyaml: slower, the same result
    _Base = yaml.SafeLoader


class _Loader(_Base):  # type: ignore[misc]
    """The safe loader, but a duplicate key is an error instead of the last one winning."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [key.value for key, _ in node.value]
        if len(set(keys)) != len(keys):
            twice = next(key for key in keys if keys.count(key) > 1)
            raise yaml.constructor.ConstructorError(None, None, f"the key {twice!r} stands twice", node.start_mark)
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return mapping


# A date or a number in base 60 is a string here: the compiler writes JSON values only.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in _Base.yaml_implicit_resolvers.items()
}


def content_of(path: Path) -> bytes:
    """Return a file's bytes; InvalidPipeline when it cannot be read, is too large, or is Python."""
    if path.suffix == ".py":
        raise InvalidPipeline(
            f"{path}: Python, not a compiled pipeline: compile it first: "
            f"kfp dsl compile --py {path} --output {path.with_suffix('.yaml').name}"
        )
    try:
        with path.open("rb") as stream:
            content = stream.read(_SIZE + 1)
    except OSError as error:
        raise InvalidPipeline(f"{path}: {error.strerror}") from error
    if len(content) > _SIZE:
        raise InvalidPipeline(f"{path}: larger than {_SIZE // 1024 // 1024} MiB; a compiled pipeline is not")
    return content


def documents(path: Path, content: bytes) -> list[Any]:
    """Return the YAML documents as plain values; InvalidPipeline when it is too deep, uses aliases or is no YAML."""
    try:
        text = content.decode("utf-8")
        _guard(path, text)
        return list(yaml.load_all(text, Loader=_Loader))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        first = " ".join(str(error).split())
        raise InvalidPipeline(f"{path}: no readable YAML: {first}") from error


def _guard(path: Path, text: str) -> None:
    """Check the parser's events, which are flat, before anything is built from them."""
    depth = 0
    for nodes, event in enumerate(yaml.parse(text, Loader=_Base)):
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.AliasEvent):
            raise InvalidPipeline(f"{path}:{line}: uses a YAML alias; a compiled pipeline does not")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEPTH or nodes > _NODES:
            raise InvalidPipeline(f"{path}:{line}: nested deeper than {_DEPTH} levels or more than {_NODES} nodes")
