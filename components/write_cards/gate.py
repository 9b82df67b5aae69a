"""Decides whether the cards are complete, and whether every value of them is what its artifact has."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from artifacts.cards.document import Cards, Entry
from artifacts.cards.headings import HEADINGS, NEEDED, where_stated
from artifacts.cards.tracing import Sources, untraced
from components.write_cards.config import Claim, Config
from core.decision import Check, Decision, Verdict

GATE = "write_cards"
_NAMED = 5
"""Missing entries and untraced values that a check names."""


def decide(config: Config, cards: Cards, sources: Sources, files: Mapping[str, Path]) -> Decision:
    """Return the decision; what is not stated leaves the gate undecided, and a value that is not traced fails it."""
    checks = (
        _permitted(config),
        _traced(cards, files),
        *_headings(config, cards),
        *_personal_data(cards),
        *(_claim(claim, sources) for claim in config.claims),
    )
    return Decision.of(GATE, checks, subject=cards.subject)


def _permitted(config: Config) -> Check:
    is_permitted = config.risk_class != "unacceptable"
    return Check(
        rule="the risk class may be put into service",
        observed=config.risk_class,
        verdict=Verdict.PASS if is_permitted else Verdict.FAIL,
        next_step="" if is_permitted else "Article 5 of the EU AI Act prohibits this practice: do not release it.",
    )


def _traced(cards: Cards, files: Mapping[str, Path]) -> Check:
    found = list(untraced(cards, files))
    total = sum(entry.value is not None for entry in cards.entries())
    first = "; ".join(f"{one.entry.name}: {one.why}" for one in found[:_NAMED])
    return Check(
        rule="every value is what its artifact has",
        threshold=float(total),
        observed=f"{total - len(found)} of {total} values are traced{f'; {first}' if first else ''}",
        verdict=Verdict.FAIL if found else Verdict.PASS,
        next_step="Run the pipeline again; find out what changes its artifacts if it fails again." if found else "",
    )


def _headings(config: Config, cards: Cards) -> Iterator[Check]:
    needed = {*NEEDED[config.risk_class], *config.headings}
    for heading in HEADINGS:
        if heading.number not in needed:
            continue
        missing = heading.missing(cards)
        yield Check(
            rule=f"heading {heading.number} of Annex IV is complete: {heading.title}",
            observed=f"missing: {_listed(missing)}" if missing else "complete",
            verdict=Verdict.UNDECIDED if missing else Verdict.PASS,
            next_step="; ".join(where_stated(entry) for entry in missing[:_NAMED]),
        )


def _personal_data(cards: Cards) -> Iterator[Check]:
    """Check that the use of personal data is stated, where there is any, whatever the risk class is."""
    section = cards.section("personal_data")
    has_any = section.get("personal data")
    if has_any is not None and has_any.value is False:
        return
    names = ("personal data", "lawful basis", "retention")
    missing = [entry for entry in section.entries if entry.name in names and entry.value is None]
    yield Check(
        rule="the use of personal data is stated",
        observed=f"missing: {_listed(missing)}" if missing else "stated",
        verdict=Verdict.UNDECIDED if missing else Verdict.PASS,
        next_step="; ".join(where_stated(entry) for entry in missing),
    )


def _claim(claim: Claim, sources: Sources) -> Check:
    rule = f"the claim {claim.name} is what {claim.source} has at {claim.at}"
    found = sources.entry(claim.name, claim.source, *_steps(claim.at)).value
    if isinstance(found, bool) or not isinstance(found, int | float):
        known = ", ".join(sources.files)
        observed = "nothing there" if claim.source in sources.files else f"no such source; known: {known}"
        verdict, step = Verdict.FAIL, f"config.yaml: correct source and at of the claim {claim.name}, or remove it"
    elif abs(found - claim.value) <= claim.within:
        observed, verdict, step = f"{found:g}", Verdict.PASS, ""
    else:
        observed, verdict = f"{found:g}", Verdict.FAIL
        step = f"correct the claim {claim.name} where it is written and in config.yaml: it is {found:g} now"
    return Check(rule=rule, threshold=claim.value, observed=observed, verdict=verdict, next_step=step)


def _steps(at: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in at.split("/")[1:]]


def _listed(entries: list[Entry]) -> str:
    names = [entry.name for entry in entries]
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
