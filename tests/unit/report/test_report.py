"""The report says the verdict first, and holds everything it shows."""

import re
from pathlib import Path

import pytest

from core.decision import Bound, Decision, compare
from mlops.report.outcome import Outcome, Pushed, TaskOutcome
from mlops.report.render import write_report

OPEN = Decision.of("validate_data", (compare("rows", 100.0, Bound(at_least=10.0)),))
CLOSED = Decision.of("evaluate_model", (compare("auc", 0.55, Bound(at_least=0.6), "carrier=AA", "Look at AA's rows."),))
UNDECIDED = Decision.of("evaluate_model", (compare("auc", None, Bound(at_least=0.6)),))


def _task(name: str, state: str = "SUCCEEDED", **facts: object) -> TaskOutcome:
    return TaskOutcome(name=name, state=state, cached=False, seconds=1.0, **facts)  # type: ignore[arg-type]


def _outcome(*tasks: TaskOutcome, state: str = "SUCCEEDED", pushed: Pushed | None = None) -> Outcome:
    return Outcome(
        "run-1",
        "flight_delay",
        "flight-delay-level1",
        state,
        "2026-01-01 00:00:00 UTC",
        3.0,
        {"span": 4, "champion": ""},
        tasks,
        pushed,
    )  # type: ignore[arg-type]


PUSHED = Pushed("flight_delay", 3, "/store/models/flight_delay/3", "sha256:ab")


@pytest.mark.parametrize(
    ("outcome", "headline", "next_step", "code"),
    [
        (
            _outcome(_task("validate-data", decision=OPEN), pushed=PUSHED),
            "Version 3 of flight_delay is in production",
            "mlops serve flight_delay",
            0,
        ),
        (_outcome(_task("evaluate-model", decision=CLOSED)), "evaluate_model said no", "Look at AA's rows", 3),
        (
            _outcome(_task("evaluate-model", decision=UNDECIDED)),
            "evaluate_model could not decide",
            "could not be computed",
            3,
        ),
        (
            _outcome(_task("train-model", "FAILED", error="boom", log=Path("log.txt")), state="FAILED"),
            "train-model failed",
            "mlops runs resume run-1",
            1,
        ),
        (_outcome(_task("train-model", "CANCELLED"), state="CANCELLED"), "was cancelled", "mlops runs resume run-1", 1),
        (
            _outcome(_task("evaluate-model", decision=OPEN)),
            "pushing is a person's decision",
            "mlops models push run-1",
            0,
        ),
    ],
)
def test_the_verdict_the_next_step_and_the_exit_code(
    tmp_path: Path, outcome: Outcome, headline: str, next_step: str, code: int
) -> None:
    html = write_report(outcome, tmp_path / "report.html").read_text(encoding="utf-8")
    assert headline in outcome.headline
    assert next_step in outcome.next_step
    assert outcome.exit_code == code
    assert html.index("<h1>") < html.index('id="gates"')
    assert (outcome.pushed is None) == (outcome.as_json(None)["pushed_model"] is None)


def test_the_page_needs_nothing_from_outside(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures.html"
    pictures.write_text("<section class='picture'><svg></svg></section>", encoding="utf-8")
    html = write_report(
        _outcome(_task("evaluate-model", decision=CLOSED, pictures=pictures)), tmp_path / "report.html"
    ).read_text(encoding="utf-8")
    assert "<svg>" in html
    assert not re.search(r"(src|href)\s*=\s*[\"'](?!#)", html)
    assert "<script" not in html


def test_what_a_task_printed_cannot_become_markup(tmp_path: Path) -> None:
    failed = _task("train-model", "FAILED", error="<script>alert(1)</script>", log=Path("log.txt"))
    html = write_report(_outcome(failed, state="FAILED"), tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
