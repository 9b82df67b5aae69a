"""Removes the finished shards of inferences that were never resumed; the next inference of the model does it."""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from components.infer_bulk.progress import Progress
from core import durable, objects
from core.errors import RegistryError

KEPT = timedelta(days=7)
"""How long shards are kept after the last change; a run may be resumed until then."""


def remove_abandoned(own: Progress, now: datetime) -> list[str]:
    """Remove what other inferences of the model have left and nobody works on, and return their folders or addresses.

    `now` has a time zone.
    """
    before = now - KEPT
    return [*_folders(own.folder, before), *(_addresses(own.kept_at, before) if own.kept_at else ())]


def _folders(own: Path, before: datetime) -> Iterator[str]:
    for folder in sorted(own.parent.iterdir()):
        if folder == own or not folder.is_dir() or _changed(folder) >= before.timestamp():
            continue
        with suppress(RegistryError, FileNotFoundError), durable.locked(folder / "lock", 0.0):
            shutil.rmtree(folder)
            yield str(folder)


def _changed(folder: Path) -> float:
    """Return when a shard was last begun or finished, as seconds since 1970."""
    times = [folder.stat().st_mtime]
    for path in (*folder.iterdir(), *folder.glob("*/*")):
        with suppress(FileNotFoundError):
            times.append(path.stat().st_mtime)
    return max(times)


def _addresses(own: str, before: datetime) -> Iterator[str]:
    for place in objects.entries(own.rpartition("/")[0]):
        found = objects.walk(place.address) if place.is_folder and place.address != own else []
        if found and max(datetime.fromisoformat(one.modified) for one in found) < before:
            for one in found:
                objects.delete(one.address)
            yield place.address
