"""The report says the verdict first, and holds everything it shows."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.decision import Bound, Decision, compare
from mlops.report.outcome import Outcome, Pushed, TaskOutcome, outcome_of
from mlops.report.render import timeline, write_report
from mlops.runs.record import Run, State, Task
from mlops.runs.submission import Submission
from pipelines.kinds import Kind

OPEN = Decision.of("validate_data", (compare("rows", 100.0, Bound(at_least=10.0)),))
CLOSED = Decision.of("evaluate_model", (compare("auc", 0.55, Bound(at_least=0.6), "carrier=AA", "Look at AA's rows."),))
UNDECIDED = Decision.of("evaluate_model", (compare("auc", None, Bound(at_least=0.6)),))


def _task(name: str, state: str = "SUCCEEDED", **facts: object) -> TaskOutcome:
    return TaskOutcome(name=name, state=state, cached=False, seconds=1.0, **facts)  # type: ignore[arg-type]


def _outcome(*tasks: TaskOutcome, state: str = "SUCCEEDED", pushed: Pushed | None = None) -> Outcome:
    return Outcome(_run(state), tasks, pushed)


def _run(
    state: str = "SUCCEEDED", *tasks: Task, kind: Kind = Kind.TRAINING, cli_name: str = "", world: str = "laptop"
) -> Run:
    return Run(
        "run-1",
        "flight-delay-level1",
        Submission("flight_delay", "sha256:code", world, cli_name, kind=kind),
        State(state),
        {"span": 4, "champion": ""},
        datetime(2026, 1, 1, tzinfo=UTC),
        3.0,
        Path("/store/runs/run-1"),
        tasks=tasks,
    )


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
        (
            _outcome(_task("push-model", decision=OPEN), pushed=replace(PUSHED, in_production=False)),
            "Version 3 of flight_delay is published; a person has to promote it",
            "mlops models push run-1",
            0,
        ),
        (
            _outcome(_task("validate-infra", decision=CLOSED), pushed=PUSHED),  # the closed gate was waived
            "Version 3 of flight_delay is in production",
            "mlops serve flight_delay",
            0,
        ),
        (_outcome(_task("evaluate-model", decision=CLOSED)), "evaluate_model did not pass", "Look at AA's rows", 3),
        (
            _outcome(_task("evaluate-model", decision=UNDECIDED)),
            "evaluate_model could not decide",
            "could not be computed",
            3,
        ),
        (
            _outcome(_task("train-model", "FAILED", error="boom", log=Path("log.txt")), state="FAILED"),
            "train-model failed",
            "then run the same command again, or, if neither code nor configuration changed: mlops runs resume run-1",
            1,
        ),
        (_outcome(_task("train-model", "CANCELLED"), state="CANCELLED"), "was cancelled", "mlops runs resume run-1", 1),
        (
            _outcome(_task("evaluate-model", decision=OPEN)),
            "whether to push the model is your decision",
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


def test_an_error_that_was_written_for_users_is_the_reason() -> None:
    begin = "Traceback (most recent call last):\n  File ...\n"
    first = f"{begin}core.errors.DataError: what happened first\n\nDuring handling of the above exception, ...:\n\n"
    ours = f"ended with exit code 1; last lines:\n{first}{begin}core.errors.ConfigError: space: wanted a name\nbye\n"
    assert _outcome(_task("tune-model", "FAILED", error=ours), state="FAILED").reason == "space: wanted a name"
    theirs = f"ended with exit code 1; last lines:\n{first}{begin}ValueError: in a user's module\n"
    assert not _outcome(_task("tune-model", "FAILED", error=theirs), state="FAILED").reason


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


def test_the_engine_of_a_stage_is_shown_with_its_reason(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text("[KFP Executor 1 INFO]: engine of this step: DirectRunner: 9.0 MiB of input need up to 72.0 MiB\n")
    outcome = outcome_of(_run("SUCCEEDED", Task("compute-statistics", "compute_statistics", State.SUCCEEDED, log=log)))
    assert outcome.as_json(None)["tasks"][0]["engine"] == "DirectRunner: 9.0 MiB of input need up to 72.0 MiB"
    html = write_report(outcome, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<td>DirectRunner: 9.0 MiB of input need up to 72.0 MiB</td>" in html
    without = write_report(_outcome(_task("train-model")), tmp_path / "other.html").read_text(encoding="utf-8")
    assert "Engines" not in without, "a stage that has no choice"


@pytest.mark.parametrize("kind", Kind)
def test_only_a_training_speaks_of_pushing(kind: Kind) -> None:
    closed = Outcome(_run(kind=kind), (_task("validate-data", decision=CLOSED),))
    broken = Outcome(_run("FAILED", kind=kind), (_task("validate-data", "FAILED", error="boom"),))
    done = Outcome(_run(kind=kind), (_task("validate-data", decision=OPEN),))
    text = f"{closed.headline} {broken.headline} {done.headline} {done.next_step}"
    assert ("push" in text) == (kind is Kind.TRAINING)
    assert ("monitor found" in closed.headline) == (kind is Kind.MONITORING)
    assert "found" not in broken.headline
    assert all(outcome.next_step for outcome in (closed, broken, done))


def test_the_next_step_names_the_use_case_as_the_command_line_takes_it() -> None:
    pushed = Outcome(_run(cli_name="/home/me/my case"), (), PUSHED)
    assert pushed.next_step == "mlops serve '/home/me/my case'"
    failed = Outcome(_run("FAILED", cli_name="/home/me/my case", world="kfp"), (_task("train-model", "FAILED"),))
    assert failed.next_step.endswith("mlops submit '/home/me/my case' --at kfp --wait")


def test_the_tasks_of_a_loop_are_told_apart(tmp_path: Path) -> None:
    tasks = [Task(f"for-loop-1[{number}]/train-model", "train_model", State.SUCCEEDED) for number in range(2)]
    outcome = outcome_of(_run("SUCCEEDED", *tasks, Task("condition-1/push-model", "push_model", State.SKIPPED)))
    assert [task.name for task in outcome.tasks] == [
        "for-loop-1[0]/train-model",
        "for-loop-1[1]/train-model",
        "push-model",
    ]
    shown = outcome.as_json(None)["tasks"]
    assert shown[2]["path"] == "condition-1/push-model"
    html = write_report(outcome, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "for-loop-1[1]/train-model" in html


@pytest.mark.parametrize("world", ["laptop", "kfp"])
def test_the_next_step_of_an_inference_is_to_see_it(world: str) -> None:
    outcome = Outcome(_run(kind=Kind.INFERENCE, world=world), (_task("infer-bulk", decision=OPEN),))
    assert outcome.headline == "The predictions are written and every gate passed."
    assert outcome.next_step == "mlops runs show run-1"
    assert outcome.exit_code == 0


@pytest.mark.parametrize(("decision", "code"), [(CLOSED, 3), (UNDECIDED, 0), (OPEN, 0)])
def test_a_monitor_that_could_not_decide_raises_no_alarm_and_does_not_pass(decision: Decision, code: int) -> None:
    outcome = Outcome(_run(kind=Kind.MONITORING), (_task("monitor-model", decision=decision),))
    assert outcome.exit_code == code
    assert (outcome.verdict == "pass") == (decision is OPEN)


@pytest.mark.parametrize(
    ("seconds", "label"),
    [
        (0.017, "17 ms"),
        (0.0996, "0.1 s"),
        (1.94, "1.9 s"),
        (119.96, "2 min 0 s"),
        (754.6, "12 min 35 s"),
        (3720.0, "1 h 2 min"),
    ],
)
def test_a_bar_says_how_long_its_task_took(seconds: float, label: str) -> None:
    ran, cached = timeline(tuple(replace(_task("train-model"), seconds=seconds, cached=one) for one in (False, True)))
    assert (ran.label, cached.label) == (label, "cached")
