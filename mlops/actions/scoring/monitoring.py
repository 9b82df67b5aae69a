"""The rows about monitoring: Mon1 to Mon7."""

from collections.abc import Iterator
from statistics import median

from core.decision import Check
from mlops.actions.scoring.checks import (
    Facts,
    at_least,
    at_most,
    decided,
    files,
    holds,
    measured,
    resting_on,
)
from mlops.actions.scoring.drills import dependencies, requests, weights
from mlops.actions.scoring.infrastructure import changed_code
from mlops.actions.scoring.rows import Findings
from mlops.actions.scoring.subject import Subject
from mlops.runs.history import SUMMARY

MOST_SLOWER = 2.0
"""Times that a training may take, compared with the median of those before."""
LEAST_PARITY_ROWS = 100
MOST_WINDOWS = 3
"""Until a drop in quality is noticed."""


def dependencies_watched(subject: Subject) -> Findings:
    """Mon1: a change of what the model depends on is noticed."""
    outcome = dependencies.drill(subject)
    stale = dependencies.not_as_locked(subject)
    code = subject.usecase.triggers.code
    checks = (
        holds(
            "a changed lock file, data reader or schema is another digest of a run",
            outcome.passed,
            outcome.observed,
            outcome.next_step,
        ),
        holds(
            "such a change starts a run",
            True if code is not None else None,
            "triggers.code" if code else "not set",
            "write triggers: {code: {}} in config.yaml (docs/triggers.md)",
        ),
        holds(
            "what is installed is what uv.lock says",
            None if stale is None else not stale,
            ", ".join(stale or ()) or ("the same" if stale is not None else "no lock file"),
            "uv sync --frozen",
        ),
        holds(
            "code and dependencies are those that the model in production was made with",
            None if subject.run is None else not changed_code(subject),
            ", ".join(changed_code(subject)) or "the same",
            subject.run_command,
        ),
    )
    return Findings(checks, files(subject.root / "uv.lock"), "uv.lock" if (subject.root / "uv.lock").is_file() else "")


def invariants(subject: Subject) -> Findings:
    """Mon2: the schema holds for requests as it does for training data."""
    outcome = requests.drill(subject)
    has_monitor = subject.usecase.has("monitor_model")
    checks = (
        decided(subject, "validate_data", "fits the schema"),
        holds(
            "requests are watched with the same schema",
            True if has_monitor else None,
            "monitor_model" if has_monitor else "no section monitor_model",
            "write the section monitor_model",
        ),
        holds("the server needs the features that the schema needs", outcome.same, outcome.differing, "train again"),
        holds(
            "the server refuses rows that break the schema, and no others",
            outcome.passed,
            outcome.observed,
            "see docs/serving.md",
        ),
    )
    return Findings(checks, files(subject.schema_path, subject.decision_file("validate_data")))


def not_skewed(subject: Subject) -> Findings:
    """Mon3: a server computes the features and the answer that the training did."""

    def check(facts: Facts) -> Iterator[Check]:
        yield at_least("rows compared", float(facts["rows"]), LEAST_PARITY_ROWS, "widen ingest_examples.window")
        step = "find what differs between preprocessing_fn in training and in the exported model"
        rule = "largest difference of training and serving, in steps of float32"
        yield at_most(rule, facts["float32_steps"], facts["allowed"], step)

    without = [one.name for one in subject.serving_features if not _has_skew_rule(subject, one.name)]
    checks = [
        decided(subject, "validate_infra", "largest difference to the evaluation"),
        holds(
            "each feature has a bound on its skew",
            True if not without else None,
            ", ".join(without) or "all",
            f"write skew_comparator for {', '.join(without)} in schema.pbtxt, or monitor_model.skew_bounds",
        ),
        *measured(subject, "parity", check),
    ]
    documented = "validate_infra compares 32 rows" if subject.decision("validate_infra") is not None else ""
    found = resting_on(subject, "parity", checks, subject.decision_file("validate_infra"))
    return Findings(found.checks, found.evidence, found.documented or documented)


def _has_skew_rule(subject: Subject, name: str) -> bool:
    """Whether a feature, or what is derived from it, has a skew comparator, or the monitor a bound of its own."""
    monitor = subject.usecase.monitor_model if subject.usecase.has("monitor_model") else None
    if monitor is not None and name in monitor.skew_bounds:
        return True
    derived = f"{name}/"
    return any(
        feature.HasField("skew_comparator")
        or (feature.name.startswith(derived) and feature.HasField("drift_comparator"))
        for feature in subject.schema.feature
        if feature.name == name or feature.name.startswith(derived)
    )


def not_stale(subject: Subject) -> Findings:
    """Mon4: a model that is too old is replaced."""
    monitor = subject.usecase.monitor_model if subject.usecase.has("monitor_model") else None
    bound = monitor.staleness if monitor is not None else None
    trigger = subject.usecase.triggers.performance
    schedules = sorted(subject.usecase.schedules)
    checks = [
        holds(
            "how old a model may become is set",
            True if bound is not None else None,
            f"{bound.max_model_age_days:g} days" if bound is not None else "no section monitor_model",
            "write monitor_model.staleness",
        ),
        holds(
            "an alarm about its age starts a run",
            True if trigger is not None else None,
            "triggers.performance" if trigger is not None else "not set",
            "write triggers.performance",
        ),
        holds(
            "new models are trained on a schedule",
            True if schedules else None,
            ", ".join(schedules) or "none",
            "write schedules.retrain (docs/triggers.md)",
        ),
    ]

    def check(facts: Facts) -> Iterator[Check]:
        observed = (
            f"{facts['before']} runs until {facts['days']:g} days, {facts['after']} after, "
            f"of {facts['deliveries']} deliveries"
        )
        once = facts["before"] == 0 and facts["after"] == 1
        yield holds(
            "when the clock is past that age one run starts, and no other", once, observed, "see docs/triggers.md"
        )

    found = resting_on(
        subject,
        "stale_model",
        [*checks, *measured(subject, "stale_model", check)],
        subject.usecase.folder / "config.yaml",
    )
    return Findings(found.checks, found.evidence, found.documented or (bound.why if bound is not None else ""))


def stable(subject: Subject) -> Findings:
    """Mon5: no number of the model, and none that it answers, is infinite or not a number."""

    def check(facts: Facts) -> Iterator[Check]:
        yield at_least("extreme rows asked", float(facts["rows"]), 10.0, "measure again")
        yield at_most("answers that are not finite", float(facts["not_finite"]), 0.0, "bound the features in module.py")

    outcome = weights.scan(subject.version)
    checks = [
        holds("all weights of the model in production are finite", outcome.passed, outcome.observed, outcome.next_step),
        decided(subject, "validate_infra", "finite numbers"),
        *measured(subject, "stability", check),
    ]
    return resting_on(subject, "stability", checks, subject.decision_file("validate_infra"))


def not_slower(subject: Subject) -> Findings:
    """Mon6: neither training nor answering has become slow."""
    scope = subject.usecase.scope_use_case if subject.usecase.has("scope_use_case") else None
    minutes = scope.resources.training_minutes if scope is not None and scope.resources is not None else None
    task = subject.task("train_model")
    seconds = task.seconds if task is not None else None
    before = _trained_before(subject)
    checks = [
        decided(subject, "validate_infra", "median latency"),
        decided(subject, "validate_infra", "start-up"),
        at_most(
            "minutes of the training",
            seconds / 60 if seconds is not None else None,
            float(minutes) if minutes is not None else 0.0,
            "raise scope_use_case.resources.training_minutes",
        )
        if minutes is not None
        else holds("a bound on the training's time is set", None, "not set", "write scope_use_case.resources"),
    ]
    if before and seconds is not None:
        rule = f"seconds of the training, with a median of {median(before):.1f} in {len(before)} runs before"
        checks.append(at_most(rule, seconds, MOST_SLOWER * median(before), "mlops runs compare"))
    run = subject.run
    summary = run.folder / SUMMARY if run is not None else None
    return Findings(tuple(checks), files(subject.decision_file("validate_infra"), summary))


def _trained_before(subject: Subject) -> list[float]:
    """Return the seconds of the trainings before the one of the model in production, of the same world."""
    run = subject.run
    if run is None:
        return []
    found = []
    for other in subject.training_runs:
        if other.started < run.started and other.submission.world == run.submission.world:
            found += [
                task.seconds for task in other.tasks if task.stage == "train_model" and not task.cached and task.seconds
            ]
    return found


def not_worse(subject: Subject) -> Findings:
    """Mon7: a drop in the quality of answers is noticed, and nothing else is."""
    monitor = subject.usecase.monitor_model if subject.usecase.has("monitor_model") else None
    has_feedback = subject.usecase.has("join_feedback") and monitor is not None

    def check(facts: Facts) -> Iterator[Check]:
        yield at_most(
            f"false alarms in {facts['calm_windows']} windows without a change",
            float(facts["false_alarms"]),
            0.0,
            "raise monitor_model.confidence or max_drop",
        )
        yield at_most(
            "windows until a change of the labels is noticed",
            float(facts["windows_to_alarm"]),
            MOST_WINDOWS,
            "lower monitor_model.max_drop, or widen join_feedback.window_days",
        )

    checks = [
        holds(
            "outcomes are joined to logged predictions, and live metrics have bounds",
            True if has_feedback else None,
            "join_feedback and monitor_model" if has_feedback else "not configured",
            "write the sections join_feedback and monitor_model (docs/monitoring.md)",
        ),
        holds(
            "a drop starts a run",
            True if subject.usecase.triggers.performance is not None else None,
            "triggers.performance",
            "write triggers.performance",
        ),
        *measured(subject, "live_quality", check),
    ]
    return resting_on(subject, "live_quality", checks)
