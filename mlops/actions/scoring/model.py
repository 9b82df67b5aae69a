"""The rows about model development: M1 to M7."""

from collections.abc import Iterator
from pathlib import Path

from artifacts.tuning.tuning import TUNING, Tuning
from core.decision import Check, Verdict
from core.errors import MlopsError
from mlops.actions.scoring.checks import (
    Facts,
    at_least,
    at_most,
    decided,
    files,
    holds,
    measured,
    required,
    resting_on,
)
from mlops.actions.scoring.rows import Findings
from mlops.actions.scoring.subject import Subject
from mlops.actions.verification import checks as verification
from pipelines.kinds import Kind

LEAST_VARIANTS = 10
LEAST_CORRELATION = 0.9
"""Spearman's rank correlation of skill offline and skill on answered requests."""
LEAST_AGES = 2
_REVIEW = ".github/workflows/pull-request.yml"


def reviewed(subject: Subject) -> Findings:
    """M1: the model in production was made from a commit that went through review and its tests."""
    workflow = subject.root / _REVIEW
    text = workflow.read_text(encoding="utf-8") if workflow.is_file() else ""
    is_versioned = subject.usecase.folder.is_relative_to(subject.root) and bool(subject.commit.commit)
    checks = [
        holds(
            "the use case is in a version control system, with every change committed",
            subject.commit.clean if is_versioned else None,
            subject.commit.commit[:12] or "no commit",
            "commit the changes; the commit is in every release (docs/level2.md)",
        ),
        holds(
            "a pull request is tested before it is merged",
            True if "pull_request" in text and "make test" in text else None,
            _REVIEW if text else "no such workflow",
            f"add a workflow such as {_REVIEW}",
        ),
        *_intact(subject),
    ]
    statements = "scope_use_case.statements.design" if subject.usecase.has("scope_use_case") else ""
    evidence = [workflow] if text else []
    return Findings(tuple(checks), tuple(evidence), statements)


def _intact(subject: Subject) -> Iterator[Check]:
    """Check that model, data, code and decisions are those of the run: what `mlops verify` does."""
    rule = "the model in production is what its run made from data and code that are here"
    if subject.version is None:
        yield holds(rule, None, "no model in production", subject.run_command)
        return
    try:
        decision = verification.of_version(subject.store, subject.version.name, subject.version.version)
    except MlopsError as error:
        yield holds(rule, False, str(error), f"mlops verify {subject.version.name}")
        return
    passed = sum(check.verdict is Verdict.PASS for check in decision.checks)
    is_intact = None if decision.verdict is Verdict.UNDECIDED else decision.is_open
    observed = f"{passed} of {len(decision.checks)} digests and decisions" if decision.is_open else decision.summary
    yield holds(rule, is_intact, observed, f"{subject.run_command}, then: mlops verify {subject.version.name}")


def correlated(subject: Subject) -> Findings:
    """M2: a model that is better offline is better on the requests that it answers."""

    def check(facts: Facts) -> Iterator[Check]:
        step = "find out what differs between the held-out rows and the requests"
        yield at_least("models compared", float(len(facts["variants"])), LEAST_VARIANTS, "measure again")
        yield at_least(
            f"rank correlation of {facts['skill']} offline and on answers of a server",
            facts["correlation"],
            LEAST_CORRELATION,
            step,
        )

    return resting_on(subject, "correlation", measured(subject, "correlation", check))


def tuned(subject: Subject) -> Findings:
    """M3: the hyperparameters in use were compared with others."""
    usecase = subject.usecase
    command = f"mlops tune {usecase.cli_name}"
    if not usecase.has("tune_model"):
        step = "write the section tune_model (docs/tuning.md)"
        return Findings((holds("a search of hyperparameters is configured", None, "no section tune_model", step),))
    path = _newest_tuning(subject)
    if path is None:
        return Findings((holds("hyperparameters were searched", None, "no tuning", command),))
    tuning = Tuning.read(path)
    present = usecase.train_model.hyperparameters
    changed = sorted(name for name in tuning.space if tuning.default.get(name) != present.get(name))
    gain = tuning.gain
    is_beaten = gain.low is not None and gain.low > 0 and not usecase.tune_model.in_training
    checks = (
        holds(
            "the search began with the hyperparameters in use",
            None if changed else True,
            ", ".join(changed) or "all",
            command,
        ),
        at_least("points tried", float(len(tuning.trials)), 2.0, "raise tune_model.trials"),
        holds(
            f"no point is surely better in {tuning.skill} than those in use",
            not is_beaten,
            f"{gain.value:+.4f} of the best",
            f"use the hyperparameters that {command} proposes",
        ),
        holds(
            "a point that is used lies inside of its range",
            not (tuning.applied and tuning.on_bounds),
            ", ".join(tuning.on_bounds) or "inside",
            "widen tune_model.space and tune again",
        ),
    )
    return Findings(
        checks, (path / TUNING,), f"{len(tuning.trials)} trials with earlier hyperparameters" if changed else ""
    )


def _newest_tuning(subject: Subject) -> Path | None:
    for run in (*subject.runs_of(Kind.TUNING), *subject.training_runs):
        artifact = run.artifact("tune_model", "tuning")
        if artifact is not None and (artifact.path / TUNING).is_file():
            return artifact.path
    return None


def staleness(subject: Subject) -> Findings:
    """M4: it is known what an older model costs, and how old one may become."""
    monitor = subject.usecase.monitor_model if subject.usecase.has("monitor_model") else None
    drops = list(monitor.max_drop.values()) if monitor is not None else []
    bound = monitor.staleness if monitor is not None else None

    def check(facts: Facts) -> Iterator[Check]:
        losses = facts["losses"]
        yield at_least("ages compared", float(len(losses)), LEAST_AGES, "widen ingest_examples.window")
        if drops and losses:
            oldest = losses[-1]
            rule = f"{facts['skill']} that the oldest of them surely lose, which the monitor lets pass"
            yield at_most(rule, oldest["low"], max(drops), "lower monitor_model.staleness.max_model_age_days")

    checks = [
        holds(
            "how old a model may become is set, with the reason",
            True if bound is not None else None,
            f"{bound.max_model_age_days:g} days: {bound.why}" if bound is not None else "no section monitor_model",
            "write monitor_model.staleness (docs/monitoring.md)",
        ),
        *measured(subject, "staleness", check),
    ]
    found = resting_on(subject, "staleness", checks)
    return Findings(found.checks, found.evidence, found.documented or (bound.why if bound is not None else ""))


def beats_simple_models(subject: Subject) -> Findings:
    """M5: no simpler model is as good."""
    baselines = subject.usecase.evaluate_model.baselines
    binding = {one.kind for one in baselines if one.must_beat}
    checks = (
        holds(
            "a model must beat a linear model",
            True if "linear" in binding else None,
            ", ".join(sorted(binding)) or "no baseline",
            "add {kind: linear} to evaluate_model.baselines",
        ),
        holds(
            "a model must beat a constant or a table",
            True if binding - {"linear"} else None,
            ", ".join(sorted(binding)) or "no baseline",
            "add {kind: majority} to evaluate_model.baselines",
        ),
        decided(subject, "evaluate_model", "gain in"),
        required(subject, "evaluate_model"),
    )
    scope = subject.usecase.scope_use_case if subject.usecase.has("scope_use_case") else None
    return Findings(checks, files(subject.decision_file("evaluate_model")), "scope_use_case.reference" if scope else "")


def slices(subject: Subject) -> Findings:
    """M6: the model is good enough on each slice that matters."""
    config = subject.usecase.evaluate_model
    decision = subject.decision("evaluate_model")
    on_slices = [check for check in decision.checks if check.slice] if decision is not None else []
    failed = [check for check in on_slices if check.verdict is not Verdict.PASS]
    checks = (
        holds(
            "a slice has a threshold of its own",
            True if config.slice_thresholds else None,
            f"{len(config.slice_thresholds)} rules on {len(config.slices)} kinds of slices",
            "write evaluate_model.slice_thresholds",
        ),
        holds(
            "a slice that is absent fails",
            True if config.expected_slices and config.absent_slice == "fail" else None,
            f"{len(config.expected_slices)} expected slices",
            "list what must be there under evaluate_model.expected_slices",
        ),
        holds(
            "every threshold on a slice is kept",
            not failed if on_slices else None,
            failed[0].rule + " " + failed[0].slice if failed else f"{len(on_slices)} checks",
            "see the slices of the report",
        ),
        required(subject, "evaluate_model"),
    )
    documented = "the report shows the slices" if config.slices else ""
    return Findings(checks, files(subject.decision_file("evaluate_model")), documented)


def inclusive(subject: Subject) -> Findings:
    """M7: differences between groups of people are measured and bounded."""
    scope = subject.usecase.scope_use_case if subject.usecase.has("scope_use_case") else None
    checks = (decided(subject, "measure_fairness"), required_or_undecided(subject))
    documented = "scope_use_case.ethics" if scope is not None and scope.ethics.statement else ""
    return Findings(checks, files(subject.decision_file("measure_fairness")), documented)


def required_or_undecided(subject: Subject) -> Check:
    """Check that the gate about fairness is required where there is one."""
    if not subject.usecase.has("measure_fairness"):
        step = "write the section measure_fairness with the largest gaps (docs/fairness.md)"
        return holds("gaps between groups have bounds", None, "no section measure_fairness", step)
    return required(subject, "measure_fairness")
