"""The shards that are finished already, so that a run that was killed goes on where it was."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from artifacts.inference.manifest import InferredShard
from artifacts.inference.names import PROGRESS
from components.infer_bulk.shards import OutputShard
from components.infer_bulk.writer import Folders
from core import digest, durable

_KEY = "key.json"


class Progress:
    """An entry per finished shard, in a hidden folder of the prediction logs' folder."""

    def __init__(self, folders: Folders, key: dict[str, str]) -> None:
        """Open the progress of an inference; files of one with another key are removed."""
        self._folders = folders
        self._folder = folders.prediction_logs / PROGRESS
        content = json.dumps(key, sort_keys=True).encode()
        kept = self._folder / _KEY
        if not (kept.is_file() and kept.read_bytes() == content):
            for folder in folders:
                shutil.rmtree(folder, ignore_errors=True)
            self._folder.mkdir(parents=True)
            durable.replace(kept, content)
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)

    def finished(self, shards: Sequence[OutputShard]) -> dict[int, InferredShard]:
        """Return the finished shards whose files are intact, by number."""
        found = {}
        for shard in shards:
            entry = self._read(shard.number)
            if entry is not None and entry.rows == shard.rows and not damaged(self._folders, entry):
                found[shard.number] = entry
        return found

    def add(self, entry: InferredShard) -> None:
        """Record a shard whose files are in place."""
        durable.replace(self._folder / f"{entry.number:05d}.json", entry.model_dump_json().encode())

    def read(self, shards: Sequence[OutputShard]) -> list[InferredShard]:
        """Return the entries there are, in order."""
        entries = (self._read(shard.number) for shard in shards)
        return [entry for entry in entries if entry is not None]

    def remove(self) -> None:
        """Remove the entries, when the manifests are written."""
        shutil.rmtree(self._folder)

    def _read(self, number: int) -> InferredShard | None:
        try:
            return InferredShard.model_validate_json((self._folder / f"{number:05d}.json").read_bytes())
        except (OSError, ValidationError):
            return None


def damaged(folders: Folders, entry: InferredShard) -> list[str]:
    """Return the files of a shard whose bytes are not those that were written."""
    found = []
    for kind, file in entry.files.items():
        path: Path = getattr(folders, kind) / file.name
        if not path.is_file() or digest.of_file(path) != file.sha256:
            found.append(f"{kind}: {file.name}")
    return found
