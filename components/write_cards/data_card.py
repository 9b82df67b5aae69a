"""The sections of the data card."""

from collections.abc import Iterator

from artifacts.cards.document import Entry, Section
from artifacts.cards.headings import STATEMENTS
from artifacts.cards.tracing import Sources, pointer


def sections(sources: Sources) -> tuple[Section, ...]:
    """Return the sections, in the order in which people read them."""
    return (
        Section(name="data_source", title="Where the data comes from", entries=tuple(_source(sources))),
        Section(name="composition", title="Rows", entries=tuple(_composition(sources))),
        Section(name="features", title="Features of a request", entries=tuple(_features(sources))),
        Section(name="personal_data", title="Personal data", entries=tuple(_personal(sources))),
    )


def _statement(sources: Sources, name: str) -> Entry:
    return sources.statement(name, "configuration", "scope", "statements", STATEMENTS[name])


def _source(sources: Sources) -> Iterator[Entry]:
    for name in ("provenance", "licence of the data", "labeling", "cleaning"):
        yield _statement(sources, name)
    yield sources.entry("spans", "examples", "spans")
    yield sources.entry("digest of the source files", "examples", "data")


def _composition(sources: Sources) -> Iterator[Entry]:
    shards = sources.get("examples", "shards") or []
    for split in dict.fromkeys(shard["split"] for shard in shards):
        places = [pointer("shards", at, "records") for at, shard in enumerate(shards) if shard["split"] == split]
        yield sources.total(f"rows of {split}", "examples", *places)
    yield sources.entry("how rows are split", "examples", "split_by")
    yield sources.entry("rows left out as invalid", "examples", "rejected")


def _features(sources: Sources) -> Iterator[Entry]:
    for at, feature in enumerate(sources.get("features", "features") or []):
        yield sources.entry(feature["name"], "features", "features", at, "dtype")


def _personal(sources: Sources) -> Iterator[Entry]:
    yield sources.statement("personal data", "configuration", "scope", "ethics", "personal_data")
    yield sources.statement("protected groups", "configuration", "scope", "ethics", "protected_groups")
    if sources.get("configuration", "scope", "ethics", "personal_data") is not False:
        yield _statement(sources, "lawful basis")
        yield _statement(sources, "retention")
