"""The laptop's own source of facts: whole spans of new data, slots of schedules, changes of code.

What a watcher saw is kept as marks in the journal, so that a restart misses nothing; what two watchers see has the
same id, so that it is one fact.
"""

import logging
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from artifacts.spans import files as spans
from artifacts.spans.files import SpanWindow
from core import build_context, objects
from core.digest import of_bytes
from core.errors import DataError, NoSuchObject
from core.images import tag
from core.store import Store
from mlops.triggers.fact import event_of
from mlops.triggers.journal import Journal
from mlops.triggers.slots import last_slot, slot_event
from mlops.worlds.pinned import source_pattern
from pipelines.config import UseCase, load
from pipelines.sources import reads
from pipelines.triggers import NewData

_LOG = logging.getLogger("mlops.triggers")


@dataclass
class Watcher:
    """Finds facts about some use cases."""

    store: Store
    journal: Journal
    folders: Mapping[str, Path]
    """Folders of the use cases by name."""
    _quiet_since: dict[str, tuple[object, float]] = field(default_factory=dict)
    """By use case, the state of its files, and since when it is that."""
    _waits_for: dict[str, str] = field(default_factory=dict)
    """By use case, why it has no window of spans, so that it is logged once."""
    _project: build_context.Stamps = field(default_factory=build_context.Stamps)
    _code_seen: dict[str, object] = field(default_factory=dict)
    """By use case, the stamps of its code when that was read last: it is read again only when one has changed."""

    def facts(self, now: float) -> Iterator[dict[str, Any]]:
        """Yield what happened since the last look, as CloudEvents; one that was found before may come again."""
        for folder in self.folders.values():
            usecase = load(folder)
            if usecase.triggers.new_data is not None:
                yield from self._new_data(usecase, usecase.triggers.new_data, now)
            if usecase.triggers.code is not None:
                yield from self._code(usecase, now)
            for schedule in usecase.schedules:
                yield from self._slots(usecase, schedule, now)

    def _new_data(self, usecase: UseCase, new_data: NewData, now: float) -> Iterator[dict[str, Any]]:
        """The window of the newest span, once all of it is whole; its id is that of the content."""
        read = reads(usecase, new_data.pipeline)
        pattern = source_pattern(usecase, self.store, read.pattern, fetched=False)
        try:
            window = spans.resolve(pattern, None, read.spans, read.gaps, spanless=read.spanless)
        except DataError as error:
            if self._waits_for.get(usecase.name) != str(error):
                self._waits_for[usecase.name] = str(error)
                _LOG.warning("%s: no window of spans yet: %s", usecase.name, error)
            return
        if not self._is_whole(usecase.name, window, new_data):
            return
        stamps = repr([spans.stamp(file.path) for file in window.files])
        if self.journal.mark(f"data/{usecase.name}") == stamps:
            return
        id_ = f"span-{window.spans[-1]}@{spans.window_digest(window)}"
        yield event_of("new_data", usecase.name, source=f"/data/{usecase.name}", id_=id_, now=now)
        self.journal.set_mark(f"data/{usecase.name}", stamps)

    def _is_whole(self, name: str, window: SpanWindow, new_data: NewData) -> bool:
        newest = [file.path for file in window.files if file.span == window.spans[-1]]
        if new_data.marker:
            folders = {path.rpartition("/")[0] if isinstance(path, str) else str(path.parent) for path in newest}
            return all(_exists(f"{folder}/{new_data.marker}") for folder in folders)
        # By this process's own clock: the times of files come from other clocks, and can be set.
        state, at = [spans.stamp(file.path) for file in window.files], time.monotonic()
        before, since = self._quiet_since.get(name, (None, at))
        if before != state:
            self._quiet_since[name] = (state, at)
            since = at
        return at - since >= new_data.quiet_seconds

    def _code(self, usecase: UseCase, now: float) -> Iterator[dict[str, Any]]:
        """A change of the project's code, or of the use case's."""
        stamps = (self._project.now(), _stamps_below(usecase.folder))
        if self._code_seen.get(usecase.name) == stamps:
            return
        content = f"{tag()} {usecase.module} {usecase.schema_file} {usecase.model_dump_json()}"
        current = of_bytes(content.encode())
        before = self.journal.mark(f"code/{usecase.name}")
        if before not in (None, current):
            yield event_of("code", usecase.name, source=f"/code/{usecase.name}", id_=current, now=now)
        self.journal.set_mark(f"code/{usecase.name}", current)
        self._code_seen[usecase.name] = stamps

    def _slots(self, usecase: UseCase, schedule: str, now: float) -> Iterator[dict[str, Any]]:
        """The last slot that has passed since the last look; slots before that are not made up for."""
        mark = f"schedule/{usecase.name}/{schedule}"
        before = self.journal.mark(mark)
        slot = last_slot(usecase.schedules[schedule].cron, now)
        if before is not None and slot is not None and slot > float(before):
            yield slot_event(usecase.name, schedule, slot, now)
        self.journal.set_mark(mark, repr(now))


def _stamps_below(folder: Path) -> list[tuple[object, ...]]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return [(path, *build_context.stamp(path)) for path in files]


def _exists(place: str) -> bool:
    if "://" not in place:
        return os.path.lexists(place)
    try:
        objects.stat(place)
    except NoSuchObject:
        return False
    return True
