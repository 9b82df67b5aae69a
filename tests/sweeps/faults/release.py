"""The promotion of a release in an environment that runs another one."""

from pathlib import Path

from artifacts.release.environment_log import Note
from tests.sweeps.faults.child import Seen
from tests.unit.artifacts.release.planted import Shop


class Promotion:
    """Afterwards the environment runs the old or the new release, and a second promotion makes it the new one, once."""

    def __init__(self, folder: Path, _: Seen) -> None:
        folder.mkdir(parents=True)
        self._shop = Shop(str(folder / "store"), folder)
        self._first, self._second = self._shop.add("one"), self._shop.add("two")
        self._shop.promoted(self._first, "dev")
        self._files = self._shop.files()

    def act(self) -> None:
        """Promote."""
        promoter = self._shop.promoter
        promoter.promote(promoter.decide(self._second, "dev"), Note("ada", "a reason"))

    def problems(self) -> list[str]:
        """Read what runs, promote again, and read the history."""
        found = []
        if (runs := self._shop.runs("dev")) not in {self._first, self._second}:
            found.append(f"dev runs {runs}")
        if not self._files.items() <= self._shop.files().items():
            found.append("a file of an earlier release or model was changed")
        self.act()
        history = [move.release for move in self._shop.releases.log("dev", "m").history()]
        return found if history == [self._first, self._second] else [*found, f"the history is {history}"]
