"""Decides whether what was found and inferred is within the bounds; what could not be measured closes the gate."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from artifacts.personal_data.detectors import CANARY
from artifacts.personal_data.finding import Finding
from components.audit_privacy.anonymity import Anonymity
from components.audit_privacy.config import Config
from components.audit_privacy.membership import Membership
from core.decision import Bound, Check, Decision, Verdict, compare

GATE = "audit_privacy"
OWN_REPORT = "this audit's own report"


@dataclass(frozen=True)
class Audited:
    """What the gate decides by."""

    findings: tuple[Finding, ...]
    searched: tuple[str, ...]
    """The places that were searched."""
    declared: Collection[str]
    """Features that the schema says are personal."""
    telling: tuple[str, ...]
    """Features whose names say that they are about a person, and that the schema does not declare."""
    anonymity: Anonymity | None
    membership: Membership | str


def decide(config: Config, audited: Audited, subject: str) -> Decision:
    """Return the decision about a model, given by its digest."""
    checks = (
        _stated(config),
        *_findings(config, audited),
        *_names(config, audited),
        *_anonymity(config, audited.anonymity),
        _membership(config, audited.membership),
    )
    return Decision.of(GATE, checks, subject=subject)


def _has_personal_data(config: Config) -> bool | None:
    return None if config.scope is None else config.scope.ethics.personal_data


def _stated(config: Config) -> Check:
    has_any = _has_personal_data(config)
    return Check(
        rule="the scope says whether a row can be traced to a person",
        observed="not stated" if has_any is None else f"personal_data: {str(has_any).lower()}",
        verdict=Verdict.UNDECIDED if has_any is None else Verdict.PASS,
        next_step="config.yaml: write scope_use_case.ethics.personal_data" if has_any is None else "",
    )


def _findings(config: Config, audited: Audited) -> Iterator[Check]:
    for finding in audited.findings:
        yield _finding(config, audited, finding)
    clean = [place for place in audited.searched if not any(_is_in(one, place) for one in audited.findings)]
    if clean:
        rule = "no personal data and no canary is found in other places"
        yield Check(rule=rule, observed=", ".join(clean), verdict=Verdict.PASS)


def _finding(config: Config, audited: Audited, finding: Finding) -> Check:
    what = "planted canary" if finding.detector == CANARY else finding.detector
    rule = f"no {what} is in {finding.place}"
    observed = f"found {finding.times} times"
    feature = finding.place.removeprefix("examples/")
    if finding.place in config.allowed:
        return Check(rule=rule, observed=f"{observed}; allowed: {config.allowed[finding.place]}", verdict=Verdict.PASS)
    is_declared = feature in audited.declared and finding.place.startswith("examples/")
    if is_declared and finding.detector != CANARY and _has_personal_data(config):
        return Check(rule=rule, observed=f"{observed}; the schema declares {feature} as personal", verdict=Verdict.PASS)
    return Check(rule=rule, observed=observed, verdict=Verdict.FAIL, next_step=_step(finding, feature))


def _step(finding: Finding, feature: str) -> str:
    if finding.detector == CANARY:
        return f"Find out how the canary came into {finding.place}: data goes there that must not."
    if finding.place.startswith("examples/"):
        return (
            f"Leave {feature} out (ingest_examples.leave_out) or mask it at the source; where it is needed, state "
            'personal_data: true and tag it "personal" in schema.pbtxt'
        )
    return f"Remove the feature that puts it into {finding.place}; or say why it is none: audit_privacy.allowed"


def _names(config: Config, audited: Audited) -> Iterator[Check]:
    for name in audited.telling:
        why = config.allowed.get(f"examples/{name}")
        yield Check(
            rule=f"the feature {name} is declared as personal, as its name says",
            observed=f"allowed: {why}" if why else "not declared",
            verdict=Verdict.PASS if why else Verdict.UNDECIDED,
            next_step="" if why else f'tag {name} "personal" in schema.pbtxt, or say why it is none under allowed',
        )


def _anonymity(config: Config, found: Anonymity | None) -> Iterator[Check]:
    if not config.quasi_identifiers:
        is_needed = _has_personal_data(config) is not False
        yield Check(
            rule="quasi-identifiers are declared if there is personal data",
            observed="none",
            verdict=Verdict.UNDECIDED if is_needed else Verdict.PASS,
            next_step="config.yaml: list them under audit_privacy.quasi_identifiers" if is_needed else "",
        )
        return
    names = ", ".join(config.quasi_identifiers)
    step = "Coarsen the quasi-identifiers, or leave rare rows out; or lower audit_privacy.min_k, which says less"
    yield compare(
        f"rows that share one combination of {names}",
        float(found.k) if found and found.rows else None,
        Bound(at_least=float(config.min_k)),
        next_step=step,
    )
    if found and found.rows:
        bound = Bound(at_most=config.max_unique)
        yield compare(f"share of rows that are alone with their {names}", found.unique, bound, next_step=step)


def _membership(config: Config, found: Membership | str) -> Check:
    bound = config.max_membership_auc
    rule = f"AUC of membership inference, upper end of {config.confidence:.0%} <= {bound:g}"
    if isinstance(found, str):
        step = "Hold rows back (ingest_examples.split.validation), or name them in audit_privacy.held_out"
        return Check(rule=rule, threshold=bound, observed=found, verdict=Verdict.UNDECIDED, next_step=step)
    observed = found.high
    if found.high <= bound:
        verdict, step = Verdict.PASS, ""
    elif found.low > bound:
        verdict = Verdict.FAIL
        step = "The model knows its rows by heart: train fewer epochs, regularize, or take more rows."
    else:
        verdict = Verdict.UNDECIDED
        step = f"The interval {found.low:.3f} to {found.high:.3f} is too wide: hold more rows back."
    return Check(rule=rule, threshold=bound, observed=observed, verdict=verdict, next_step=step)


def _is_in(finding: Finding, place: str) -> bool:
    return finding.place == place or finding.place.startswith(f"{place}/")
