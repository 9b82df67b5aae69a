"""Draws the privacy audit for the report."""

from collections.abc import Iterator

from components.audit_privacy.gate import Audited
from components.audit_privacy.membership import Membership
from core import pictures
from core.decision import Decision
from core.pictures import Markup, Series


def draw(audited: Audited, decision: Decision) -> Markup:
    """Return one fragment: what was found, how large groups are, and the attack."""
    parts: list[str] = [pictures.verdict(decision.verdict.value), decision.summary]
    if audited.findings:
        rows: list[list[str | float | None]] = [
            [finding.detector, finding.place, float(finding.times)] for finding in audited.findings
        ]
        parts.append(pictures.table(["Found", "Where", "Times"], rows))
    else:
        parts.append(f"No personal data and no canary was found in {', '.join(audited.searched)}.")
    parts += _anonymity(audited)
    if isinstance(audited.membership, Membership):
        parts += _membership(audited.membership)
    else:
        parts.append(f"Membership inference decided nothing: {audited.membership}.")
    return pictures.fragment("Privacy", *parts)


def _anonymity(audited: Audited) -> Iterator[str]:
    found = audited.anonymity
    if found is None or not found.rows:
        return
    yield Markup("<h3>Rows that share their quasi-identifiers</h3>")
    labels = [label for label, _ in found.sizes]
    yield pictures.bars([Series("share of rows in groups of", [share for _, share in found.sizes])], labels)
    facts: list[list[str | float | None]] = [
        ["rows", found.rows],
        ["combinations", found.groups],
        ["smallest group (k)", found.k],
    ]
    shares: list[list[str | float | None]] = [
        [f"share of rows in groups of {label}", share] for label, share in found.sizes
    ]
    yield pictures.table(["", ""], [*facts, *shares])


def _membership(found: Membership) -> Iterator[str]:
    yield Markup("<h3>Membership inference</h3>")
    yield pictures.table(
        ["", ""],
        [
            ["AUC", found.auc],
            ["interval", f"{found.low:.3f} to {found.high:.3f}"],
            ["rows of the training", found.members],
            ["rows held out", found.held_out],
            ["advantage", found.advantage],
            ["found at 1% false alarms", found.found],
        ],
    )
