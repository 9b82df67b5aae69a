"""Finds the cards of a model: those of a version in the registry, or those that a run left."""

import json
from typing import NamedTuple

from artifacts.cards import folder
from artifacts.cards.document import Cards
from core.backends.registry import open_registry
from core.errors import MlopsError, RegistryError, did_you_mean
from core.store import Store
from mlops.runs.history import read_run


class Found(NamedTuple):
    """The cards, and what they are of."""

    cards: Cards
    what: str
    version: str = ""
    """The number in the registry; empty for those of a run."""


def cards_of_version(store: Store, name: str, version: int | None = None) -> Found:
    """Return the cards of a version, or of the one in production.

    Raises RegistryError without such a version or cards, CorruptArtifact for cards with an untraced value.
    """
    registry = open_registry(store.registry)
    if name not in registry.names():
        raise RegistryError(f"no model {name!r} was ever pushed{did_you_mean(name, registry.names())}")
    found = registry.get(name, version) if version else registry.champion(name)
    if found is None:
        raise RegistryError(f"{name}: no version is in production; name one: mlops card {name} --version N")
    content = found.about.get("cards")
    if content is None:
        raise RegistryError(
            f"{name} version {found.version} has no cards: write them with a section write_cards in config.yaml, and "
            "run the pipeline again"
        )
    cards = Cards.parse(json.dumps(content).encode(), f"{found.address}/manifest.json")
    return Found(cards, f"{name} version {found.version}", str(found.version))


def cards_of_run(store: Store, run_id: str) -> Found:
    """Return the cards that a run wrote; MlopsError for one that wrote none."""
    artifact = read_run(store, run_id).artifact("write_cards", "cards")
    if artifact is None:
        raise MlopsError(f"run {run_id} wrote no cards; its use case has no section write_cards, or it ended before")
    return Found(folder.read(artifact.path), f"run {run_id}")
