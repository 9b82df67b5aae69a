"""A push of a model that passed every gate, where another one is in production."""

from pathlib import Path

from core import digest
from core.backends.local_registry import LocalRegistry
from tests.component.push_model.challenge import Challenge
from tests.sweeps.faults.child import Seen


class Push:
    """Afterwards the old or the new model is in production, and a repeated push makes it the new one, once."""

    def __init__(self, folder: Path, _: Seen) -> None:
        self._challenge = Challenge(folder)
        saved = self._challenge.candidate.model / "Format-Serving"
        self._digests = [self._challenge.champion.digest, digest.of_folder(saved)]

    def act(self) -> None:
        """Push."""
        self._challenge.push()

    def problems(self) -> list[str]:
        """Read the registry as another process would, push again, and read it again."""
        registry = LocalRegistry(self._challenge.registry.root)
        champion = registry.champion("m")
        found = [] if champion and champion.digest in self._digests else [f"in production is {champion}"]
        reference = self._challenge.push()
        if str(registry.pointer("m")) != reference:
            found.append(f"after the second push {registry.pointer('m')} is in production, wanted {reference}")
        if (versions := [one.digest for one in registry.versions("m")]) != self._digests:
            found.append(f"versions {versions}, wanted {self._digests}")
        if (moves := [move["digest"] for move in registry.history("m")]) != self._digests:
            found.append(f"the history is {moves}, wanted {self._digests}")
        return [*found, *registry.problems("m")]
