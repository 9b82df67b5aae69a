"""Renders a score as one HTML file that needs no network and no server."""

from dataclasses import dataclass
from pathlib import Path

from core.durable import replace
from mlops.report.render import environment

MOST = 7.0
"""Points of a section."""
_STYLES = {1.0: "pass", 0.5: "undecided", 0.0: "fail"}
_WORDS = {1.0: "automated", 0.5: "by hand", 0.0: "not shown"}


@dataclass(frozen=True)
class Bar:
    """The points of one section."""

    section: str
    points: float

    @property
    def percent(self) -> float:
        """Width of the bar."""
        return 100 * self.points / MOST


@dataclass(frozen=True)
class ScoreRow:
    """One row as the page shows it."""

    id: str
    section: str
    title: str
    verdict: float
    why: str
    raised_by: str
    simulated: bool
    command: str
    checks: tuple[tuple[str, str, str], ...]
    """Rule, observation and verdict."""
    evidence: tuple[tuple[str, str], ...]
    """File and digest."""

    @property
    def style(self) -> str:
        """The style of its verdict."""
        return _STYLES[self.verdict]

    @property
    def word(self) -> str:
        """Its verdict as a word, because colour alone says it to few."""
        return _WORDS[self.verdict]


@dataclass(frozen=True)
class ScorePage:
    """Everything that the page shows."""

    usecase: str
    score: float
    band: str
    about: tuple[tuple[str, str], ...]
    bars: tuple[Bar, ...]
    rows: tuple[ScoreRow, ...]

    @property
    def style(self) -> str:
        """The colour of the whole page."""
        return "pass" if self.score > 5 else "undecided" if self.score > 1 else "fail"


def write_score(page: ScorePage, target: Path) -> Path:
    """Write the page atomically, and return its path."""
    html = environment().get_template("score.html.j2").render(page=page)
    target.parent.mkdir(parents=True, exist_ok=True)
    replace(target, html.encode())
    return target
