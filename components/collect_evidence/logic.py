"""Reads the gates' decisions and writes them as the evidence of a candidate."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from artifacts.cards import folder
from artifacts.evidence.evidence import AttachedCards, Evidence, read_decisions
from components.collect_evidence.config import Config
from core.errors import CorruptArtifact


class Collected(NamedTuple):
    """The paths of what is collected."""

    decisions: Mapping[str, str]
    """Name -> decision; those of closed gates as well."""
    earlier: str | None = None
    """Evidence that is added to."""
    cards: str | None = None
    """The output of `write_cards`."""


def collect(_config: Config, found: Collected, evidence: Path | str) -> Evidence:
    """Add decisions and cards to the earlier evidence.

    Raises CorruptArtifact for a file that cannot be read, for a repeated name, and for cards with an untraced value.
    """
    earlier = Evidence.read(found.earlier) if found.earlier else Evidence()
    try:
        collected = earlier + read_decisions(found.decisions.items())
    except ValidationError as error:
        raise CorruptArtifact(error.errors()[0]["msg"]) from None
    if found.cards:
        content = folder.read(Path(found.cards)).content().decode()
        collected = collected.model_copy(update={"cards": AttachedCards.of(content)})
    collected.write(evidence)
    return collected
