"""Which days were run in a store, when, and how that ended."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import Field

from artifacts.facts import Facts, FactsFile
from core.store import Store
from mlops.actions.learning.walk import Ended

Result = Literal["as shown", "in part", "differs"]


class Walked(Facts):
    """The last walk of a day."""

    time: str
    """UTC, ISO 8601."""
    result: Result
    """Everything was as the page shows it; so far, but long blocks were skipped; or something was not."""
    seconds: float


class Progress(Facts, FactsFile):
    """All days that were run."""

    FILE = "progress.json"
    WANTED = "the days that were run"
    NEXT_STEP = "remove the file to begin again"

    days: dict[int, Walked] = Field(default_factory=dict)


def walked(ended: Sequence[Ended], now: datetime | None = None) -> Walked:
    """Return how a walk ended, from its steps."""
    result: Result = "as shown"
    if any(one.problems for one in ended):
        result = "differs"
    elif any(one.skipped for one in ended):
        result = "in part"
    seconds = round(sum(one.seconds for one in ended), 1)
    return Walked(time=f"{now or datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", result=result, seconds=seconds)


def home_of(store: Store) -> Path:
    """Return the store that days run in: inside the store, so that its models and runs stay as they are."""
    return store.root / "learn"


def read_progress(store: Store) -> Progress:
    """Read which days were run; CorruptArtifact when the file is damaged."""
    folder = home_of(store)
    return Progress.read(folder) if (folder / Progress.FILE).exists() else Progress()


def remember(store: Store, day: int, last: Walked) -> None:
    """Write down how a day ended, in place of its last time."""
    Progress(days=read_progress(store).days | {day: last}).write(home_of(store))
