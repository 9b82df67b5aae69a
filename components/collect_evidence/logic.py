"""Reads the gates' decisions and writes them as the evidence of a candidate."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from artifacts.evidence.evidence import Evidence, read_decisions
from components.collect_evidence.config import Config
from core.errors import CorruptArtifact


def collect(_config: Config, decisions: Mapping[str, str], earlier: str | None, evidence: Path | str) -> Evidence:
    """Add decisions, given as name -> path, to the earlier evidence, including those of closed gates.

    Raises CorruptArtifact for a decision or evidence that cannot be read, and for a repeated name.
    """
    earlier_evidence = Evidence.read(earlier) if earlier else Evidence()
    try:
        collected = earlier_evidence + read_decisions(decisions.items())
    except ValidationError as error:
        raise CorruptArtifact(error.errors()[0]["msg"]) from None
    collected.write(evidence)
    return collected
