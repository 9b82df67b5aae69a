"""How the rows of a score check: facts that hold or not, decisions of the run, and measurements."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from core.decision import Bound, Check, Verdict, compare
from mlops.actions.scoring.rows import Findings
from mlops.actions.scoring.subject import Subject

Facts = Mapping[str, Any]


def holds(rule: str, passed: bool | None, observed: object = None, next_step: str = "") -> Check:
    """Return a check of a fact; None is undecided."""
    verdict = Verdict.UNDECIDED if passed is None else Verdict.PASS if passed else Verdict.FAIL
    seen = observed if observed is None or isinstance(observed, float) else str(observed)
    return Check(rule=rule, observed=seen, verdict=verdict, next_step="" if passed else next_step)


def at_most(rule: str, observed: float | None, most: float, next_step: str) -> Check:
    """Check that a number is at most a bound."""
    return compare(rule, observed, Bound(at_most=most), next_step=next_step)


def at_least(rule: str, observed: float | None, least: float, next_step: str) -> Check:
    """Check that a number is at least a bound."""
    return compare(rule, observed, Bound(at_least=least), next_step=next_step)


def decided(subject: Subject, stage: str, containing: str = "") -> Check:
    """Check that a gate passed the model in production, or those of its rules that contain a text."""
    decision = subject.decision(stage)
    what = f"{stage} passed this model" if not containing else f"{stage} passed this model: {containing}"
    if decision is None:
        return holds(what, None, "no decision", f"{subject.run_command}, with the section {stage} in config.yaml")
    checks = [check for check in decision.checks if containing in check.rule]
    if not checks:
        return holds(what, None, "no such rule", f"configure it in the section {stage} of config.yaml")
    failed = [check for check in checks if check.verdict is not Verdict.PASS]
    if failed:
        return holds(
            what, False, failed[0].rule, failed[0].next_step or f"look at the decision of {stage} in the report"
        )
    return holds(what, True, f"{len(checks)} rules")


def required(subject: Subject, stage: str) -> Check:
    """Check that nothing is pushed without a decision of a gate; a gate that is waived fails."""
    push = subject.usecase.push_model
    waived = push.waives.get(stage) if push is not None else None
    is_required = push is not None and stage in push.requires
    observed = f"waived: {waived}" if waived else "required" if is_required else "not required"
    passed = False if waived else True if is_required else None
    return holds(f"push_model requires {stage}", passed, observed, f"add {stage} to push_model.requires in config.yaml")


def measured(subject: Subject, name: str, check: Callable[[Facts], Iterator[Check]]) -> list[Check]:
    """Check a measurement; undecided when there is none, it could not be made, or it is about something else."""
    found = subject.measurements.read(name)
    again = f"mlops score {subject.usecase.cli_name}"
    if found is None:
        return [holds(f"{name} is measured", None, "not measured", again)]
    if found.of != subject.identity:
        changed = sorted(key for key in subject.identity if subject.identity[key] != found.of.get(key))
        return [
            holds(f"{name} is measured for this model", None, f"{', '.join(changed)} changed since {found.at}", again)
        ]
    if found.fault:
        return [holds(f"{name} can be measured", None, found.fault, found.fault)]
    return list(check(found.facts))


def resting_on(subject: Subject, name: str, checks: Iterable[Check], *evidence: Path | None) -> Findings:
    """Return the findings of a row that rests on a measurement; one of an earlier model counts as documentation."""
    found = subject.measurements.read(name)
    is_earlier = found is not None and not found.fault and found.of != subject.identity
    documented = f"measured for an earlier model on {found.at}" if found is not None and is_earlier else ""
    return Findings(tuple(checks), files(*evidence, subject.measurements.path(name)), documented)


def files(*paths: Path | None) -> tuple[Path, ...]:
    """Return the paths that are files."""
    return tuple(path for path in paths if path is not None and path.is_file())
