"""What a sweep found: each figure beside its goal, and the cases that are not as promised."""

import json
import os
from dataclasses import asdict, dataclass
from typing import Any

_SHOWN = 20
"""Problems printed at most; `--json` has them all."""


@dataclass(frozen=True)
class Figure:
    """One number, and what it must be."""

    name: str
    measured: float
    goal: str = ""
    """Such as `0` or `at most 64`; empty: a count that has no goal of its own."""
    holds: bool = True


@dataclass(frozen=True)
class Result:
    """A finished sweep."""

    sweep: str
    count: int
    seed: int
    when: str
    commit: str
    """Of the sources; ends with `+` when they had changes that are not committed."""
    load: float
    """Average load of the machine when it began, over one minute."""
    seconds: float
    figures: tuple[Figure, ...]
    problems: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether every figure reaches its goal, and no case was wrong."""
        return not self.problems and all(figure.holds for figure in self.figures)

    def lines(self) -> list[str]:
        """Return it as a Markdown table with a line above."""
        about = f"{self.when}, commit {self.commit}, {os.cpu_count()} CPUs, load before {self.load:.1f}"
        rows = [
            f"| {one.name} | {_number(one.measured)} | {one.goal or '-'} | {_verdict(one)} |" for one in self.figures
        ]
        return [
            f"{self.sweep}: --count {self.count} --seed {self.seed}, {self.seconds:.0f} s ({about})",
            "",
            "| figure | measured | goal | |",
            "|---|---|---|---|",
            *rows,
            *[f"wrong: {problem}" for problem in self.problems[:_SHOWN]],
            *([f"and {len(self.problems) - _SHOWN} more"] if len(self.problems) > _SHOWN else []),
        ]

    def as_json(self) -> str:
        """Return it as one JSON object."""
        content: dict[str, Any] = asdict(self) | {"holds": self.holds}
        return json.dumps(content, indent=2, allow_nan=False)


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def _verdict(figure: Figure) -> str:
    if not figure.goal:
        return ""
    return "reached" if figure.holds else "MISSED"
