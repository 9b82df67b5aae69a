"""Renders an outcome as one HTML file that needs no network, no server and no script."""

from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from core.decision import Check, Decision, Verdict
from core.durable import replace
from mlops.report.outcome import Outcome, TaskOutcome, started

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Bar:
    """One task on the timeline; `left` and `width` in percent of the run's duration."""

    name: str
    left: float
    width: float
    style: str
    label: str


def write_report(outcome: Outcome, target: Path) -> Path:
    """Write the report of a run atomically, and return its path."""
    html = (
        environment()
        .get_template("report.html.j2")
        .render(
            outcome=outcome,
            run=outcome.run,
            started=started(outcome.run),
            bars=timeline(outcome.tasks),
            split=split,
            pictures=[
                (task.name, Markup(task.pictures.read_text(encoding="utf-8")))  # noqa: S704 - written by core.pictures
                for task in outcome.tasks
                if task.pictures
            ],
        )
    )
    replace(target, html.encode())
    return target


def environment() -> Environment:
    """Return how every page is made: text is escaped, and a name that is missing is an error."""
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def split(decision: Decision) -> tuple[list[Check], list[Check]]:
    """Return the checks that did not pass, failed ones before undecided ones, and the checks that passed."""
    checks: dict[Verdict, list[Check]] = {Verdict.FAIL: [], Verdict.UNDECIDED: [], Verdict.PASS: []}
    for check in decision.checks:
        checks[check.verdict].append(check)
    return checks[Verdict.FAIL] + checks[Verdict.UNDECIDED], checks[Verdict.PASS]


def timeline(tasks: tuple[TaskOutcome, ...]) -> list[Bar]:
    """Return a bar for every task that ran, in the order given."""
    ran = [task for task in tasks if task.state not in ("SKIPPED", "PENDING")]
    end = max((task.offset + task.seconds for task in ran), default=0.0) or 1.0
    return [
        Bar(
            name=task.name,
            left=100 * task.offset / end,
            width=max(100 * task.seconds / end, 0.4),
            style="cached" if task.cached else task.state.lower(),
            label="cached" if task.cached else _lasted(task.seconds),
        )
        for task in ran
    ]


def _lasted(seconds: float) -> str:
    """Say how long something took, in units in which it is neither 0 nor hundreds."""
    if seconds < 0.0995:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 119.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
