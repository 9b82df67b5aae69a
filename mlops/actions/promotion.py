"""Moves an environment to a release, or back, and then what follows its pointer."""

import os
from dataclasses import dataclass

from artifacts.release.environment import Environments
from artifacts.release.environment_log import Move, Note
from artifacts.release.promotion import Offered, Promoter
from artifacts.release.store import Releases
from core.store import Store
from mlops.actions.endpoint import verbs
from mlops.actions.endpoint.opened import open_target
from mlops.worlds.vertex.operations import Progress
from mlops.worlds.vertex.world import Vertex
from mlops.worlds.world import WorldContext


@dataclass(frozen=True)
class Mover:
    """Moves the environments of one store."""

    store: Store
    environments: Environments
    progress: Progress
    """Takes a line for people about what is done at Vertex AI."""

    @property
    def promoter(self) -> Promoter:
        """What decides, and moves the pointers."""
        return Promoter(Releases(self.store.releases), self.store.registry, self.environments)

    def promote(self, release_id: str, way: tuple[str, str], note: Note, offered: Offered) -> Move:
        """Move an environment to a release; `way` is where it comes from ("" for wherever) and where it goes to.

        Raises GateClosed when a check does not pass, or the endpoint's new model does not answer: the pointer has
        moved then, and the traffic has not. RegistryError when the environment was moved meanwhile, UsageError when
        the environments are not in that order. Repeated, it goes on where it ended.
        """
        promoter = self.promoter
        promoter.check_way(*way)
        move = promoter.promote(promoter.decide(release_id, way[1], offered), note)
        self._follow(move)
        return move

    def roll_back(self, usecase: str, environment: str, note: Note, to: str | None = None) -> Move:
        """Move an environment back, as `Promoter.roll_back` does, and its endpoint with it."""
        move = self.promoter.roll_back(usecase, environment, note, to)
        self._follow(move)
        return move

    def _follow(self, move: Move) -> None:
        """Give the endpoint's traffic to the model of the release, where the environment has an endpoint."""
        if self.environments.environments[move.environment].target != "vertex":
            return
        with Vertex(WorldContext(self.store, os.environ)) as world:
            root = f"env://{move.environment}@{self.store.objects or self.store.root}"
            verbs.deploy(open_target(world, move.usecase, self.progress, root))
