"""Promotes a release to the first environment, and writes the decision."""

from pathlib import Path
from typing import NamedTuple

from artifacts.release.environment import Environments
from artifacts.release.environment_log import Note
from artifacts.release.promotion import Promoter
from artifacts.release.store import Releases
from components.promote_release.config import Config


class Stores(NamedTuple):
    """Where releases and models are, and the environments as JSON."""

    releases: str
    registry: str
    environments: str


def promote(_config: Config, release: str, stores: Stores, submission: str, decision: Path | str) -> bool:
    """Decide and, when the gate is open, move the environment; return whether it is open.

    Raises RegistryError when another process moved the environment meanwhile.
    """
    environments = Environments.model_validate_json(stores.environments)
    promoter = Promoter(Releases(stores.releases), stores.registry, environments)
    decided = promoter.decide(release, environments.order[0])
    decided.decision.write(decision)
    if decided.decision.is_open:
        promoter.promote(decided, Note(f"pipeline, submission {submission}", "its run passed every gate"))
    return decided.decision.is_open
