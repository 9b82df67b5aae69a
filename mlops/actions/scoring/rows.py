"""The rows of the ML Test Score, and how verdicts and the score follow from what was found.

E. Breck, S. Cai, E. Nielsen, M. Salib and D. Sculley: The ML Test Score (IEEE Big Data, 2017).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from core.decision import Check, Verdict
from core.errors import MlopsError

if TYPE_CHECKING:
    from mlops.actions.scoring.subject import Subject

AUTOMATED, BY_HAND, ABSENT = 1.0, 0.5, 0.0
BANDS = (
    (0.0, "more of a research project than a productionized system"),
    (1.0, "not totally untested, but serious holes in reliability are possible"),
    (2.0, "a first pass at basic productionization"),
    (3.0, "reasonably tested, but more of those tests could be automated"),
    (5.0, "strong levels of automated testing and monitoring"),
)
"""The paper's bands: highest score -> what it means; above the last the level is exceptional."""
EXCEPTIONAL = "exceptional levels of automated testing and monitoring"


class Section(StrEnum):
    """The four sections of the paper, with seven rows each."""

    DATA = "features and data"
    MODEL = "model development"
    INFRASTRUCTURE = "ML infrastructure"
    MONITORING = "monitoring"


@dataclass(frozen=True)
class Findings:
    """What a row found; its verdict follows from the checks."""

    checks: tuple[Check, ...]
    evidence: tuple[Path, ...] = ()
    """Files that the checks rest on."""
    documented: str = ""
    """What a person wrote or measured by hand about it; empty when there is nothing."""

    @property
    def verdict(self) -> float:
        """1 when every check passed, 0 when one failed; else 0.5 for what is documented, or 0."""
        verdicts = {check.verdict for check in self.checks}
        if not verdicts or Verdict.FAIL in verdicts:
            return ABSENT
        if Verdict.UNDECIDED in verdicts:
            return BY_HAND if self.documented else ABSENT
        return AUTOMATED

    @property
    def worst(self) -> Check | None:
        """The first check that failed, else the first that is undecided; None when all passed."""
        for verdict in (Verdict.FAIL, Verdict.UNDECIDED):
            for check in self.checks:
                if check.verdict is verdict:
                    return check
        return None


@dataclass(frozen=True)
class Row:
    """One of the 28 tests."""

    id: str
    """As the sections are numbered: D1 to D7, M1 to M7, I1 to I7, Mon1 to Mon7."""
    section: Section
    title: str
    find: Callable[["Subject"], Findings]
    command: str
    """How to see the same by hand; `{usecase}` stands for the use case."""
    simulated: bool = False
    """Whether users and their outcomes are simulated, because a repository has none."""


@dataclass(frozen=True)
class Result:
    """A row of a use case with its verdict."""

    row: Row
    findings: Findings

    @property
    def verdict(self) -> float:
        """The row's points: 0, 0.5 or 1."""
        return self.findings.verdict

    @property
    def why(self) -> str:
        """One sentence: what passed, or what did not."""
        worst = self.findings.worst
        if worst is None:
            return f"{len(self.findings.checks)} checks passed." if self.findings.checks else "Nothing was checked."
        observed = f" (observed {shown(worst.observed)})" if worst.observed is not None else ""
        word = "failed" if worst.verdict is Verdict.FAIL else "is not decided"
        by_hand = f"; by hand: {self.findings.documented}" if self.verdict == BY_HAND else ""
        return f"{worst.rule} {word}{observed}{by_hand}"

    @property
    def raised_by(self) -> str:
        """What would raise the verdict; empty at 1."""
        worst = self.findings.worst
        return worst.next_step if worst is not None else ""


@dataclass(frozen=True)
class Score:
    """All rows of a use case."""

    usecase: str
    results: tuple[Result, ...]
    about: dict[str, str] = field(default_factory=dict)
    """What was scored: the model, the run, the commit."""

    def points(self, section: Section) -> float:
        """Return the points of a section, from 0 to 7."""
        return sum(result.verdict for result in self.results if result.row.section is section)

    @property
    def final(self) -> float:
        """The score: that of the worst section."""
        return min(self.points(section) for section in Section)

    @property
    def band(self) -> str:
        """What the paper says about such a score."""
        return next((text for highest, text in BANDS if self.final <= highest), EXCEPTIONAL)


def result_of(row: Row, subject: "Subject") -> Result:
    """Return a row's result for a subject; a row that cannot be checked because of a fault there has no point."""
    try:
        return Result(row, row.find(subject))
    except MlopsError as error:
        fault = Check(rule="the row can be checked", observed=str(error), verdict=Verdict.FAIL, next_step=str(error))
        return Result(row, Findings((fault,)))


def shown(value: float | str | None) -> str:
    """Return an observation as a person reads it."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def of_ids(rows: Sequence[Row], ids: Sequence[str]) -> list[Row]:
    """Return the rows with these ids, in any case; all rows when there are none. KeyError for an unknown id."""
    by_id = {row.id.lower(): row for row in rows}
    return [by_id[one.lower()] for one in ids] if ids else list(rows)
