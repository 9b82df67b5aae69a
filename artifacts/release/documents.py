"""The documents of a model that go into its release: its cards, and the bill of materials of what serves it."""

import json

from artifacts.cards import cyclonedx
from artifacts.cards.document import Cards
from artifacts.evidence.evidence import Evidence
from artifacts.release.proof import About, ReadProof, proof_of
from artifacts.release.record import Build
from artifacts.release.store import Releases

SERVING = "serving"
"""The group of the image that serves models."""


def proofs(evidence: Evidence, build: Build, about: About, releases: Releases) -> tuple[ReadProof, ...]:
    """Return the cards that the evidence has, and the serving image's bill of materials with the model in it.

    Without an SBOM of that image, the bill has the model and its data alone. Raises CorruptArtifact for an SBOM that
    was changed, UsageError for cards of another model.
    """
    if evidence.cards is None:
        return ()
    cards = Cards.parse(evidence.cards.content.encode(), "the evidence")
    sbom = build.sboms.get(SERVING)
    base = None if sbom is None else json.loads(releases.blob(sbom))
    bill = cyclonedx.content(cyclonedx.bill(cards, base))
    card = proof_of("model_card", evidence.cards.content.encode(), about)
    return card, proof_of("model_bill", bill, about)


def without_documents(evidence: Evidence) -> Evidence:
    """Return the decisions alone: a release keeps documents as files of their own."""
    return evidence.model_copy(update={"cards": None})
