"""The model registry: its Protocol, model versions and pointers, and how a registry is opened."""

import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from core.backends.canary import Note
from core.backends.pointer import Pointer
from core.backends.production import Production
from core.errors import RegistryError

BACKENDS = {
    "": "core.backends.local_registry:LocalRegistry",
    "env": "core.backends.environment_registry:EnvironmentRegistry",
    "file": "core.backends.local_registry:LocalRegistry",
    "gs": "core.backends.object_registry:ObjectRegistry",
    "s3": "core.backends.object_registry:ObjectRegistry",
}
"""Scheme of a registry's root -> module:class, imported when it is opened."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", re.ASCII)
"""A model's name: one folder, never a path."""


@dataclass(frozen=True)
class ModelVersion:
    """A published version whose files were checked against its manifest when the registry returned it."""

    name: str
    version: int
    path: Path
    """The folder on this machine that TensorFlow Serving would load; for a remote registry, the copy from `get`."""
    digest: str
    """Over all files of the saved model; the same model has the same digest in every registry."""
    created: str
    """When it was published, ISO 8601 in UTC; for display, never for order."""
    about: Mapping[str, Any] = field(default_factory=dict)
    """Where it comes from: data spans, digests, decisions."""
    address: str = ""
    """Its location in the registry: a path, or an address in an object store."""
    signed_by: str = ""
    """The digest of the public key that its manifest is signed with, as the manifest says; "" without a signature."""

    @property
    def reference(self) -> str:
        """The version by number and content, such as `3@sha256:..`."""
        return str(Pointer(self.version, self.digest))


class Registry(Protocol):
    """Keeps model versions under a name, and for each name a pointer to the one in production."""

    def names(self) -> list[str]:
        """Return the names that hold at least one version or ever did, in order."""

    def check_writable(self, name: str) -> None:
        """Raise RegistryError or StoreError when `publish` would be refused; called before anything is trained."""

    def publish(self, name: str, saved_model: Path, about: Mapping[str, Any]) -> ModelVersion:
        """Copy a saved model in as the next version, atomically; return the version it has when published before.

        Raises RegistryError when it is no SavedModel or the registry cannot be written.
        """

    def sign(self, name: str, version: int) -> ModelVersion:
        """Sign a version that was published, with the key that MLOPS_SIGNING_KEY names, after checking every byte.

        Raises UsageError without a key, CorruptArtifact when the version is damaged.
        """

    def discard(self, name: str, version: int) -> None:
        """Remove a version whose promotion failed; RegistryError for one that is or ever was in production."""

    def get(self, name: str, version: int) -> ModelVersion:
        """Return a version after checking every byte, and its signature where MLOPS_TRUSTED_KEYS demands one.

        Raises RegistryError when there is none, CorruptArtifact when it is damaged, Untrusted without that signature.
        """

    def versions(self, name: str) -> list[ModelVersion]:
        """Return the intact versions, oldest first; a remote registry checks their manifests alone."""

    def numbers(self, name: str) -> list[int]:
        """Return the numbers of the versions in order without reading them."""

    def verify(self, version: ModelVersion) -> None:
        """Check every byte of a version again; CorruptArtifact names the file that differs."""

    def resolve(self, name: str, reference: str) -> ModelVersion:
        """Return the version that `3@sha256:..` names; RegistryError when that number now holds another model."""

    def promote(self, name: str, version: int, replacing: str | None = None) -> ModelVersion:
        """Put a version into production; does nothing when it is in production already.

        With `replacing` (a reference, or "" for no version), RegistryError when another version is in production.
        """

    def rollback(self, name: str, note: Note = ...) -> ModelVersion:
        """Undo the last change and return what is in production then.

        While a canary runs, that ends the canary, and the champion stays; else the previous version is put back into
        production. RegistryError when there is none.
        """

    def state(self, name: str) -> Production:
        """Return pointer, history and rollouts as they were at one moment, cheaply enough to poll."""

    def roll(self, name: str, move: Callable[[Production, str], Production]) -> Production:
        """Replace the state by what `move` returns for it and the present time, atomically; return the new state.

        `move` is called again when another process changed the state meanwhile; it raises to change nothing.
        """

    def pointer(self, name: str) -> Pointer | None:
        """Return the version in production without checking its bytes, cheaply enough to poll; None without one."""

    def champion(self, name: str) -> ModelVersion | None:
        """Return the version in production after checking every byte, None when nothing was ever promoted."""

    def history(self, name: str) -> list[Mapping[str, Any]]:
        """Return every move of the pointer, oldest first.

        Each has the keys action, version, digest, at, and `from` (the reference before, or "").
        """

    def withdrawn(self, name: str, digest: str) -> bool:
        """Whether the model of this digest was rolled back, or aborted as a canary, and not promoted since."""

    def problems(self, name: str) -> list[str]:
        """List everything that is wrong under a name: damaged versions, a pointer to nothing, unfinished pushes."""


def open_registry(root: str, cache: Path | None = None) -> Registry:
    """Open the registry at a root: a path, or an address whose scheme names the backend.

    `cache` is the folder for copies of a remote registry's versions, in the layout of a local one; without it, a folder
    below the temporary folder. Raises RegistryError when no backend knows the address.
    """
    scheme, separator, rest = root.partition("://")
    if not separator:
        scheme, rest = "", root
    if scheme not in BACKENDS or not rest:
        raise RegistryError(f"wanted a registry as a path, or an s3://, gs:// or file:// address, got {root!r}")
    module, _, name = BACKENDS[scheme].partition(":")
    registry: Registry = getattr(importlib.import_module(module), name).opened(root, cache)
    return registry


def find(root: str, reference: str) -> ModelVersion:
    """Return the version of a reference such as `3@sha256:..`, under any name: its digest identifies it.

    For stages that do not know the model's name. Raises RegistryError when no name has it, CorruptArtifact when it is
    damaged.
    """
    Pointer.parse(reference)
    registry = open_registry(root)
    for name in registry.names():
        try:
            return registry.resolve(name, reference)
        except RegistryError:
            continue  # another model has this number under this name
    raise RegistryError(
        f"{root}: wanted the model version {reference}, got no such version under "
        f"{', '.join(registry.names()) or 'any name'}; was it deleted?"
    )
