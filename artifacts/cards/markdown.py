"""Sections of a card as Markdown."""

import re
from collections.abc import Iterable

from artifacts.cards.document import Cards, Entry, Section

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#])")


def escaped(text: str) -> str:
    """Return text that Markdown shows as it is, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def section(one: Section, level: int = 2) -> str:
    """Return a section with its heading: a table of its numbers, and its texts as a list."""
    parts = [f"{'#' * level} {escaped(one.title)}\n"]
    if not one.entries:
        parts.append("not measured\n")
    texts = [entry for entry in one.entries if not is_number(entry)]
    numbers = [entry for entry in one.entries if is_number(entry)]
    parts += [f"- **{escaped(_named(entry))}**: {escaped(entry.shown)}" for entry in texts]
    if numbers:
        parts += ["", "| | value | from |", "|---|--:|---|"]
        parts += [f"| {escaped(_named(entry))} | {escaped(entry.shown)} | {_from(entry)} |" for entry in numbers]
    return "\n".join(parts).rstrip() + "\n"


def sources(cards: Cards) -> str:
    """Return the table of the files that the values come from."""
    rows = (f"| {name} | `{one.file}` | `{one.digest}` |" for name, one in cards.sources.items())
    return "\n".join(["## Sources\n", "| name | file | digest |", "|---|---|---|", *rows]) + "\n"


def document(title: str, sections: Iterable[Section], cards: Cards) -> str:
    """Return a whole document of sections, with their sources."""
    return "\n".join([f"# {escaped(title)}\n", *map(section, sections), sources(cards)])


def is_number(entry: Entry) -> bool:
    """Whether an entry has a number; truth is text."""
    return isinstance(entry.value, int | float) and not isinstance(entry.value, bool)


def _named(entry: Entry) -> str:
    return f"{entry.name} ({entry.slice})" if entry.slice else entry.name


def _from(entry: Entry) -> str:
    more = f" and {len(entry.at) - 1} more" if len(entry.at) > 1 else ""
    return f"{entry.source} `{entry.at[0]}`{more}"
