"""The rows about ML infrastructure: I1 to I7."""

from collections.abc import Iterator

from core import digest
from core.decision import Check
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
from mlops.actions.scoring.drills import canary, push, rollback
from mlops.actions.scoring.rows import Findings
from mlops.actions.scoring.subject import Subject, read_version
from mlops.runs.history import RECORD, SUMMARY, read_summary
from mlops.runs.record import State
from mlops.worlds.pinned import compiled_pipeline
from mlops.worlds.sources import code_files
from pipelines.compiled import wiring_digest

LEAST_ROWS = 100
MOST_SECONDS = 2.0
"""For one rollback."""


def reproducible(subject: Subject) -> Findings:
    """I1: the same training gives the same model."""

    def check(facts: Facts) -> Iterator[Check]:
        step = "set train_model.deterministic, and take what is random or depends on the machine out of module.py"
        yield holds(
            "a training elsewhere gives bit-identical weights",
            not facts["different_weights"],
            ", ".join(facts["different_weights"][:3]) or f"{facts['weights']} weights, {facts['changed']}",
            step,
        )
        yield at_least("rows predicted by both", float(facts["rows"]), LEAST_ROWS, "widen ingest_examples.window")
        yield at_most("predictions that differ", float(facts["different_predictions"]), 0.0, step)

    return resting_on(subject, "retraining", measured(subject, "retraining", check))


def specified(subject: Subject) -> Findings:
    """I2: the code of the model does what code of a model must do."""

    def check(facts: Facts) -> Iterator[Check]:
        for name, one in facts["tests"].items():
            yield holds(name, one["passed"], one["observed"], f"correct build_model in module.py: {name}")
        yield holds("the model's code has tests", bool(facts["tests"]), None, "measure again")

    return resting_on(
        subject, "specification", measured(subject, "specification", check), subject.usecase.folder / "module.py"
    )


def integrated(subject: Subject) -> Findings:
    """I3: the whole pipeline, as it is now, ran from data to production."""
    run = subject.run
    if run is None:
        step = subject.run_command
        return Findings((holds("the whole pipeline ran, from data to production", None, "no such run", step),))
    summary = read_summary(subject.store, run.run_id) or {}
    unfinished = [task.path for task in run.tasks if task.state is not State.SUCCEEDED]
    try:
        pipeline = compiled_pipeline(subject.usecase, run.submission.pipeline, subject.store)
        is_same = wiring_digest(pipeline) == summary.get("compiled")
    except MlopsError as error:
        return Findings((holds("the pipeline compiles", False, str(error), "correct config.yaml"),))
    checks = (
        holds(
            "every task of the run that pushed the model succeeded",
            run.state is State.SUCCEEDED and not unfinished,
            ", ".join(unfinished) or f"{len(run.tasks)} tasks",
            f"mlops runs show {run.run_id}",
        ),
        holds("the pipeline is as that run had it", True if is_same else None, run.run_id, subject.run_command),
        holds(
            "what the tasks can import is as that run had it",
            True if not changed_code(subject) else None,
            ", ".join(changed_code(subject)) or "the same",
            subject.run_command,
        ),
    )
    return Findings(checks, files(run.folder / RECORD, run.folder / SUMMARY), f"run {run.run_id}")


def changed_code(subject: Subject) -> tuple[str, ...]:
    """Return `code` when what the run's tasks can import, or the lock file, is not what it was; else nothing."""
    if subject.run is None:
        return ("no run",)
    now = code_files(subject.run.folder / "pipeline.yaml", subject.store)
    return () if digest.of_files(now.items()) == subject.run.submission.code else ("the code has changed since",)


def validated(subject: Subject) -> Findings:
    """I4: no model goes into production whose quality was not validated."""
    config = subject.usecase.evaluate_model
    has_absolute = bool(subject.usecase.problem.metrics)
    outcome = push.refused(subject)
    checks = (
        decided(subject, "evaluate_model"),
        required(subject, "evaluate_model"),
        holds(
            "there are thresholds for the model, and for its change from the one in production",
            True if has_absolute and config.change else None,
            f"{len(subject.usecase.problem.metrics)} and {len(config.change)}",
            "write problem.metrics and evaluate_model.change",
        ),
        holds("a push without a passed evaluation is refused", outcome.passed, outcome.observed, outcome.next_step),
    )
    return Findings(checks, files(subject.decision_file("evaluate_model"), subject.decision_file("push_model")))


def debuggable(subject: Subject) -> Findings:
    """I5: one prediction can be followed from the raw row to the answer."""

    def check(facts: Facts) -> Iterator[Check]:
        yield at_least("rows that are followed", float(facts["rows"]), 1.0, "measure again")
        yield holds(
            "each transformed feature of them is known",
            facts["transformed"] > 0,
            f"{facts['transformed']}",
            "export the signature transform_features",
        )
        yield at_most("their answers that differ from the evaluation's", float(facts["different"]), 0.0, "train again")
        yield holds(
            "their explanations add up to the answer",
            facts["explained"] == facts["rows"],
            f"{facts['explained']} of {facts['rows']}",
            "see docs/explanations.md",
        )

    return resting_on(subject, "trace", measured(subject, "trace", check))


def canaried(subject: Subject) -> Findings:
    """I6: a model answers real requests in a process of its own, and a share of the traffic, before all of it."""
    outcomes = canary.drill()
    checks = (
        decided(subject, "validate_infra", "real rows are answered"),
        required(subject, "validate_infra"),
        *(holds(f"a canary {name}", one.passed, one.observed, one.next_step) for name, one in outcomes.items()),
    )
    return Findings(checks, files(subject.decision_file("validate_infra")))


def rolled_back(subject: Subject) -> Findings:
    """I7: the version before can be put back, quickly, and is intact."""
    if subject.version is None:
        return Findings((holds("a version is in production", None, "none", subject.run_command),))
    outcome = rollback.drill(subject.version)
    name = subject.version.name
    kept = subject.registry.numbers(name)
    damaged = [number for number in kept if read_version(subject.registry, name, number) is None]
    problems = subject.registry.problems(name)
    checks = (
        holds(
            f"{outcome.rounds} rollbacks put the version before back",
            outcome.failed == 0,
            f"{outcome.failed} failed",
            "mlops doctor",
        ),
        at_most("seconds of the slowest rollback", outcome.slowest, MOST_SECONDS, "look at the disk of the store"),
        holds(
            "every version that is kept is intact",
            not damaged,
            ", ".join(map(str, damaged)) or f"{len(kept)} versions",
            f"mlops models list {name}",
        ),
        holds("the registry has no problem", not problems, problems[0] if problems else "none", "mlops doctor"),
    )
    return Findings(checks, files(subject.version.path.parent / "champion.json"))
