"""Promotes a release: the decision, the environment's pointer, and what its target needs besides."""

from artifacts.release.environment_log import Move, Note
from artifacts.release.promotion import Offered, Promoter


def promote_release(promoter: Promoter, release_id: str, way: tuple[str, str], why: str, offered: Offered) -> Move:
    """Move an environment to a release; `way` is where it comes from ("" for wherever) and where it goes to.

    Raises GateClosed when a check does not pass, RegistryError when the environment was moved meanwhile, UsageError
    when the environments are not in that order.
    """
    promoter.check_way(*way)
    return promoter.promote(promoter.decide(release_id, way[1], offered), Note.mine(why))
