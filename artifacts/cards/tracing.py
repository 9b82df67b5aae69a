"""Makes entries from places in JSON files, and checks that a card's values are still what those files have."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from artifacts.cards.document import Cards, Entry, Source
from core import digest
from core.errors import CorruptArtifact


class NothingThere(KeyError):
    """A JSON pointer leads nowhere."""


def resolve(content: Any, pointer: str) -> Any:
    """Return what a JSON pointer (RFC 6901) points at; NothingThere when it leads nowhere."""
    found = content
    for part in pointer.split("/")[1:]:
        step = part.replace("~1", "/").replace("~0", "~")
        try:
            found = found[int(step)] if isinstance(found, list) else found[step]
        except (KeyError, IndexError, TypeError, ValueError):
            raise NothingThere(pointer) from None
    return found


def pointer(*steps: str | int) -> str:
    """Return the JSON pointer of keys and list indices."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


@dataclass
class Sources:
    """The files that a card's values come from, each read once."""

    files: dict[str, Source] = field(default_factory=dict)
    content: dict[str, Any] = field(default_factory=dict)

    def add(self, name: str, path: Path) -> None:
        """Read a JSON file under a name; CorruptArtifact when it cannot be read."""
        try:
            raw = path.read_bytes()
            self.content[name] = json.loads(raw)
        except (OSError, ValueError) as error:
            raise CorruptArtifact(f"{path}: wanted JSON, got {error}; run the step that writes it again") from None
        self.files[name] = Source(file=path.name, digest=digest.of_bytes(raw))

    def get(self, name: str, *steps: str | int) -> Any:
        """Return the value at a place; None when there is none."""
        try:
            return resolve(self.content.get(name), pointer(*steps))
        except NothingThere:
            return None

    def entry(self, name: str, source: str, *steps: str | int, unit: str = "", slice: str = "") -> Entry:
        """Make a measured entry of the value at a place; without a value where there is none."""
        return self._entry(Entry(name=name, unit=unit, slice=slice), source, (pointer(*steps),))

    def statement(self, name: str, source: str, *steps: str | int, unit: str = "") -> Entry:
        """Make an entry of what a person stated."""
        return self._entry(Entry(name=name, unit=unit, origin="stated"), source, (pointer(*steps),))

    def total(self, name: str, source: str, *places: str, unit: str = "") -> Entry:
        """Make a measured entry of the sum of the numbers at several pointers."""
        return self._entry(Entry(name=name, unit=unit), source, places)

    def _entry(self, entry: Entry, source: str, places: tuple[str, ...]) -> Entry:
        try:
            value = value_at(self.content.get(source), places)
        except NothingThere:
            return entry
        if value is None:
            return entry
        return Entry.model_validate({**entry.model_dump(), "value": value, "source": source, "at": places})


def value_at(content: Any, places: tuple[str, ...]) -> Any:
    """Return what an entry's pointers give: the value, or the sum of several; a list or mapping becomes text."""
    found = [resolve(content, place) for place in places]
    if len(found) > 1:
        return sum(found)
    value = found[0] if found else None
    if isinstance(value, list) and all(isinstance(one, str | int) for one in value):
        return ", ".join(map(str, value)) or "none"
    return json.dumps(value, sort_keys=True) if isinstance(value, list | dict) else value


@dataclass(frozen=True)
class Untraced:
    """A value of a card that its source does not have."""

    entry: Entry
    why: str


def untraced(cards: Cards, files: Mapping[str, Path]) -> Iterator[Untraced]:
    """Yield each value that the files, by name of the source, do not have; the files are read again."""
    read: dict[str, Any] = {}
    faults: dict[str, str] = {}
    for name, source in cards.sources.items():
        try:
            raw = files[name].read_bytes()
            got = digest.of_bytes(raw)
            read[name] = json.loads(raw)
        except (KeyError, OSError, ValueError) as error:
            faults[name] = f"{name} cannot be read: {error}"
            continue
        if got != source.digest:
            faults[name] = f"{name} is {got}, and the card names {source.digest}"
    for entry in cards.entries():
        if entry.value is None:
            continue
        fault = faults.get(entry.source) or _fault(entry, read[entry.source])
        if fault:
            yield Untraced(entry, fault)


def _fault(entry: Entry, content: Any) -> str:
    try:
        found = value_at(content, entry.at)
    except (NothingThere, TypeError):
        return f"{entry.source} has nothing at {', '.join(entry.at)}"
    is_number = isinstance(found, int | float) and not isinstance(found, bool)
    same_kind = (int, float) if is_number else (type(found),)
    if type(entry.value) in same_kind and found == entry.value:
        return ""
    return f"{entry.source} has {found!r} at {', '.join(entry.at)}, and the card says {entry.value!r}"
