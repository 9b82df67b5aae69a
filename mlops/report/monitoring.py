"""Renders what is known of a use case's life in production as one HTML file that needs no network and no server."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from core.durable import replace
from core.pictures import Markup
from mlops.report.chart import Chart
from mlops.report.render import environment

SYMBOLS = {"pass": "✓", "fail": "✗", "undecided": "?", "": "·"}
"""Verdicts are told apart by more than colour; the last one is that of a gate which was not reached."""


@dataclass(frozen=True)
class DecidedRun:
    """One run that has ended, and the verdicts of its gates."""

    run_id: str
    kind: str
    started: str
    headline: str
    verdict: str
    verdicts: Mapping[str, str] = field(default_factory=dict)
    """Gate -> verdict."""


class Alarmed(Protocol):
    """Something that a person should look at."""

    @property
    def source(self) -> str:
        """What raised it."""

    @property
    def what(self) -> str:
        """One sentence."""

    @property
    def next_step(self) -> str:
        """What to do; may be empty."""

    @property
    def verdict(self) -> str:
        """`fail` or `undecided`."""


@dataclass(frozen=True)
class MonitoringPage:
    """Everything that the page shows."""

    usecase: str
    written: str
    """When, for people."""
    verdict: str
    """`pass`, `fail` or `undecided`: the colour of the whole page."""
    headline: str
    in_production: str
    facts: Sequence[tuple[str, str]]
    """Labels and texts, such as the next slot of a schedule."""
    alarms: Sequence[Alarmed]
    runs: Sequence[DecidedRun]
    """The oldest first."""
    charts: Sequence[Chart]
    """Live metrics."""
    pictures: Sequence[tuple[str, Markup]] = ()
    """Fragments of the newest monitoring run by the name of its task: each feature now beside training."""
    pictures_of: str = ""
    """The run that they are of."""

    @property
    def gates(self) -> list[str]:
        """Every gate that any run reached, in the order in which they were first seen."""
        return list(dict.fromkeys(gate for run in self.runs for gate in run.verdicts))


def write_monitoring(page: MonitoringPage, target: Path) -> Path:
    """Write the page atomically, and return its path."""
    context: dict[str, Any] = {"page": page, "symbols": SYMBOLS}
    html = environment().get_template("monitoring.html.j2").render(context)
    target.parent.mkdir(parents=True, exist_ok=True)
    replace(target, html.encode())
    return target
