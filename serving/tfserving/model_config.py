"""Writes TensorFlow Serving's model configuration so that a path without a version always means the champion.

TensorFlow Serving answers with the highest version that it has loaded. So nothing above the champion is listed: after a
rollback the newer versions are unloaded, and the champion is the highest again. A label may only name a loaded version,
or the whole file is refused; so labels name the version that answers now, and move to the champion once it is loaded.
"""

import logging
from collections.abc import Callable, Collection, Hashable, Mapping
from pathlib import Path
from typing import NamedTuple

from core import durable
from core.errors import MlopsError
from serving.versions.loaded import LABELS
from serving.versions.manager import Watch
from serving.versions.shelf import Published, Shelf

Available = Callable[[str], Collection[int]]
"""A model's name -> the versions of it that answer now."""
_LOG = logging.getLogger("serving")


class Listed(NamedTuple):
    """One model in the file."""

    folder: Path
    versions: tuple[int, ...]
    """In order; the last is the champion."""
    labelled: int | None = None
    """The version that the labels name; None while none of the versions answers."""


class ModelConfig:
    """Writes the file whenever the registry, or the set of versions that answer, has changed."""

    def __init__(self, path: Path, root: Path, shelf: Shelf, available: Available, watch: Watch = Watch()) -> None:  # noqa: B008 - frozen
        self._path = path
        self._root = root
        self._shelf = shelf
        self._available = available
        self._watch = watch
        self._versions: dict[str, tuple[int, ...]] = {}
        self._checked: dict[tuple[str, int], tuple[Hashable, bool]] = {}
        self._ready: frozenset[str] = frozenset()
        self._refused: dict[str, int] = {}

    def update(self) -> None:
        """Poll the registry once and rewrite the file if needed; the entry of a model that cannot be read stays."""
        for name in self._shelf.names():
            try:
                published = self._shelf.published(name)
                self._refuse_canary(name, published)
                listed = self._wanted(name, published)
            except (MlopsError, OSError) as error:
                _LOG.error("%s: cannot read the registry, the loaded versions stay: %s", name, error)
                continue
            if listed:
                # A new mapping each time: `waiting_for` reads it in other threads.
                self._versions = {**self._versions, name: listed}
        models = {
            name: Listed(self._root / name, versions, self._answering(name, versions))
            for name, versions in self._versions.items()
        }
        content = text(models).encode()
        if not self._path.exists() or self._path.read_bytes() != content:
            durable.replace(self._path, content)
            _LOG.info("listed: %s", "; ".join(map(_shown, models, models.values())) or "no model")

    def waiting_for(self) -> str:
        """Return what is missing before requests can be taken; "" when every model that once answered still does."""
        silent = [name for name in sorted(self._ready or self._versions) if not self._available(name)]
        missing = [f"{name}: no version of it answers" for name in silent]
        if not self._ready:
            missing += [] if self._versions else ["no model is in production yet"]
            missing += filter(None, [self._shelf.missing()])
        if not missing:
            self._ready = self._ready or frozenset(self._versions)
        return "; ".join(missing)

    def _refuse_canary(self, name: str, published: Published) -> None:
        """Say once that a canary gets no requests here: the engine cannot split them."""
        canary = published.canary
        if canary is not None and self._refused.get(name) != canary.start:
            _LOG.error(
                "%s: version %d is not tried as a canary: wanted a server that splits requests, got TensorFlow "
                "Serving; serve with --engine mlops, or end the canary with `mlops models rollback %s`",
                name,
                canary.version,
                name,
            )
            self._refused[name] = canary.start

    def _wanted(self, name: str, published: Published) -> tuple[int, ...]:
        """Return the champion and the newest valid versions below it; () while there is no valid champion."""
        if published.champion is None or not self._whole(name, published.champion):
            return ()
        below = [version for version in published.versions if version < published.champion]
        kept = below[-self._watch.others :] if self._watch.others else []
        return (*(version for version in kept if self._whole(name, version)), published.champion)

    def _whole(self, name: str, version: int) -> bool:
        """Verify a version once, and again when its folder changed; TensorFlow Serving itself does not verify."""
        stamp = self._shelf.stamp(name, version)
        checked, whole = self._checked.get((name, version), (None, False))
        if checked != stamp:
            whole = self._verify(name, version)
            self._checked[name, version] = (stamp, whole)
        return whole

    def _verify(self, name: str, version: int) -> bool:
        try:
            self._shelf.verify(name, version)
        except (MlopsError, OSError) as error:
            _LOG.error("%s: version %d is not served: %s", name, version, error)
            return False
        return True

    def _answering(self, name: str, versions: tuple[int, ...]) -> int | None:
        return max(set(versions) & set(self._available(name)), default=None)


def text(models: Mapping[str, Listed]) -> str:
    """Return a ModelServerConfig message in protobuf's text format."""
    return "".join(["model_config_list {\n", *(_model(name, listed) for name, listed in sorted(models.items())), "}\n"])


def _shown(name: str, listed: Listed) -> str:
    versions = ", ".join(map(str, listed.versions))
    return f"{name} {versions} ({listed.labelled or 'none'} answers)"


def _model(name: str, listed: Listed) -> str:
    versions = " ".join(f"versions: {version}" for version in listed.versions)
    lines = [
        f"name: {_quoted(name)}",
        f"base_path: {_quoted(str(listed.folder))}",
        'model_platform: "tensorflow"',
        f"model_version_policy {{ specific {{ {versions} }} }}",
    ]
    if listed.labelled is not None:
        lines += [f"version_labels {{ key: {_quoted(label)} value: {listed.labelled} }}" for label in sorted(LABELS)]
    return "".join(["  config {\n", *(f"    {line}\n" for line in lines), "  }\n"])


def _quoted(word: str) -> str:
    """Quote a string for protobuf's text format; other than printable ASCII is written as octal bytes."""
    plain = (chr(byte) if 0x20 <= byte < 0x7F and byte not in b'"\\' else f"\\{byte:03o}" for byte in word.encode())
    return f'"{"".join(plain)}"'
