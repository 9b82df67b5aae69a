"""The shards that are finished already, so that a run that was killed goes on where it was.

They are kept beside the model registry, in `inferences/<model>/<key>/`, because what a killed attempt leaves in its own
output folder is gone with it: on the laptop its folder is removed, on a cluster its disk.
"""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from artifacts.inference.manifest import InferredShard
from artifacts.inference.names import INFERENCES
from components.infer_bulk.shards import OutputShard
from components.infer_bulk.writer import Folders
from core import digest, durable, objects
from core.errors import StoreError

_ENTRY = "shard-{:05d}.json"
_LOCK_SECONDS = 3600.0


@dataclass(frozen=True)
class Progress:
    """The folder that shards are written to, with an entry per finished shard; a worker of Beam gets it."""

    folder: Path
    kept_at: str = ""
    """Address in an object store where finished shards are kept too; empty where the folder itself is kept."""

    @classmethod
    def of(cls, registry: str, model: str, key: dict[str, str], scratch: Path) -> "Progress":
        """Return the progress of the inference that a key identifies.

        It is in the store that has the registry. For an object store, the folder is below `scratch`.
        """
        name = digest.of_bytes(json.dumps(key, sort_keys=True).encode()).removeprefix("sha256:")[:32]
        if objects.is_address(registry):
            store = registry.rpartition("/")[0]
            return cls(scratch / name, objects.join(store, INFERENCES, model, name))
        return cls(Path(registry.removeprefix("file://")).parent / INFERENCES / model / name)

    @property
    def folders(self) -> Folders:
        """The folders of the shards' files."""
        return Folders(*(self.folder / kind for kind in Folders._fields))

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep every other process from the same inference, which would write the same files."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with durable.locked(self.folder / "lock", _LOCK_SECONDS):
            for folder in self.folders:
                folder.mkdir(parents=True, exist_ok=True)  # again: who held the lock may have removed all of it
            yield

    def finished(self, shards: Sequence[OutputShard]) -> dict[int, InferredShard]:
        """Return the finished shards whose files are intact, by number."""
        if self.kept_at:
            self.fetch()
        found = {}
        for shard in shards:
            entry = self._read(shard.number)
            if entry is not None and entry.rows == shard.rows and not damaged(self.folders, entry):
                found[shard.number] = entry
        return found

    def add(self, entry: InferredShard) -> None:
        """Record a shard whose files are in place."""
        content = entry.model_dump_json().encode()
        if self.kept_at:
            for kind, file in entry.files.items():
                path: Path = getattr(self.folders, kind) / file.name
                objects.upload(path, objects.join(self.kept_at, kind, file.name), file.sha256)
            objects.write(objects.join(self.kept_at, _ENTRY.format(entry.number)), content)
        durable.replace(self.folder / _ENTRY.format(entry.number), content)

    def read(self, shards: Sequence[OutputShard]) -> list[InferredShard]:
        """Return the entries there are, in order."""
        entries = (self._read(shard.number) for shard in shards)
        return [entry for entry in entries if entry is not None]

    def publish(self, entries: Sequence[InferredShard], targets: Folders) -> None:
        """Put the files of all shards into the folders of the outputs."""
        for entry in entries:
            for kind, file in entry.files.items():
                _place(getattr(self.folders, kind) / file.name, getattr(targets, kind) / file.name)

    def remove(self) -> None:
        """Forget everything, when the outputs are complete."""
        shutil.rmtree(self.folder)
        if self.kept_at:
            for one in objects.walk(self.kept_at):
                objects.delete(one.address)

    def _read(self, number: int) -> InferredShard | None:
        try:
            return InferredShard.model_validate_json((self.folder / _ENTRY.format(number)).read_bytes())
        except (OSError, ValidationError):
            return None

    def fetch(self) -> None:
        """Copy the shards that an attempt on another machine has finished."""
        for one in objects.walk(self.kept_at):
            target = self.folder / one.address.removeprefix(f"{self.kept_at}/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            objects.download(one.address, target)


def damaged(folders: Folders, entry: InferredShard) -> list[str]:
    """Return the files of a shard whose bytes are not those that were written."""
    found = []
    for kind, file in entry.files.items():
        path: Path = getattr(folders, kind) / file.name
        if not path.is_file() or digest.of_file(path) != file.sha256:
            found.append(f"{kind}: {file.name}")
    return found


def _place(source: Path, target: Path) -> None:
    """Give a file a second name in the outputs, or copy it where that is another file system."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
        if digest.of_file(source) != digest.of_file(target):
            raise StoreError(f"{target}: wanted the bytes of {source}, got others; is the disk full?") from None
