"""Decides whether labels are good enough to train on."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from components.label_examples.choosing import Combined
from components.label_examples.config import Config
from core.decision import Bound, Check, Decision, Verdict, compare
from problems import kind
from problems.labeling.analysis import FunctionAnalysis

GATE = "label_examples"
FEWEST_GOLD_VOTES = 10
"""With fewer votes on gold rows, a function is checked by the accuracy that the label model learned."""
_DEVIATIONS = 1.96
"""Of a two-sided interval of 95 percent."""


@dataclass(frozen=True)
class Evidence:
    """What the gate decides by."""

    classes: Sequence[str]
    functions: Sequence[FunctionAnalysis]
    combined: Combined
    coverage: float
    gold_rows: int


def decide(config: Config, evidence: Evidence) -> Decision:
    """Return the decision; a rule that cannot be checked is undecided, and the gate closed."""
    checks = [
        *_classes(evidence),
        *_functions(evidence),
        *_twins(config, evidence),
        compare(
            "coverage",
            evidence.coverage,
            Bound(at_least=config.min_coverage),
            next_step="add labeling functions for the rows that none votes on, or lower label_examples.min_coverage",
        ),
        *_against_majority(config, evidence),
    ]
    return Decision.of(GATE, tuple(checks))


def _classes(evidence: Evidence) -> Iterator[Check]:
    """Check that some function votes for each class: with functions for one class only, everything is of it."""
    for number, name in enumerate(evidence.classes):
        voting = sum(number in function.polarity for function in evidence.functions)
        yield Check(
            rule=f"class {name} has a labeling function that votes for it",
            threshold=1.0,
            observed=float(voting),
            verdict=Verdict.PASS if voting else Verdict.FAIL,
            next_step="" if voting else f"class {name} has no labeling function: add one to labeling.py",
        )


def _functions(evidence: Evidence) -> Iterator[Check]:
    """Check that each function votes, and is not worse than votes at random for the same classes would be."""
    for function in evidence.functions:
        if not function.polarity:
            yield Check(
                rule=f"{function.name} votes on at least one row",
                observed=0.0,
                verdict=Verdict.FAIL,
                next_step=f"correct {function.name} in labeling.py, which abstains on every row, or remove it",
            )
            continue
        yield _better_than_chance(function, evidence)


def _better_than_chance(function: FunctionAnalysis, evidence: Evidence) -> Check:
    balance = evidence.combined.balance
    chance = float(min(balance[number] for number in function.polarity))
    if function.gold_votes >= FEWEST_GOLD_VOTES and function.accuracy is not None:
        observed, highest = function.accuracy, _upper(function.correct, function.gold_votes)
        what = f"right on gold rows ({function.gold_votes} votes)"
    else:
        observed = highest = function.weight if function.weight is not None else float("nan")
        chance = min(chance, 1 / len(balance))
        what = f"right as the label model learned ({function.gold_votes} gold votes are too few)"
        if function.weight is None:
            return Check(
                rule=f"{function.name} is at least as often right as chance",
                observed=f"{function.gold_votes} gold votes",
                verdict=Verdict.PASS if _is_merged(function, evidence) else Verdict.UNDECIDED,
                next_step="" if _is_merged(function, evidence) else "add gold rows",
            )
    is_worse = highest < chance
    return Check(
        rule=f"{function.name} is not less often {what} than chance, {chance:.3g}",
        threshold=chance,
        observed=observed,
        verdict=Verdict.FAIL if is_worse else Verdict.PASS,
        next_step=f"{function.name} is mostly wrong: correct it, invert it, or remove it" if is_worse else "",
    )


def _is_merged(function: FunctionAnalysis, evidence: Evidence) -> bool:
    names = [one.name for one in evidence.functions]
    return names.index(function.name) not in evidence.combined.counted


def _upper(right: int, votes: int) -> float:
    """Return the upper end of Wilson's interval of a share."""
    share, square = right / votes, _DEVIATIONS**2
    center = share + square / (2 * votes)
    spread = _DEVIATIONS * math.sqrt(share * (1 - share) / votes + square / (4 * votes**2))
    return (center + spread) / (1 + square / votes)


def _twins(config: Config, evidence: Evidence) -> Iterator[Check]:
    names = [function.name for function in evidence.functions]
    rule = "no two labeling functions that count vote alike"
    groups = [", ".join(names[member] for member in group) for group in evidence.combined.twins]
    if not groups:
        yield Check(rule=rule, observed="none", verdict=Verdict.PASS)
        return
    is_merged = config.twins == "merge"
    for group in groups:
        yield Check(
            rule=rule,
            observed=f"{group}: only the first counts" if is_merged else group,
            verdict=Verdict.PASS if is_merged else Verdict.FAIL,
            next_step=""
            if is_merged
            else f"{group} vote alike: remove all but one, or set label_examples.twins: merge",
        )


def _against_majority(config: Config, evidence: Evidence) -> Iterator[Check]:
    name = kind(config.task).skill_name
    combined = evidence.combined
    enough = evidence.gold_rows >= config.min_gold
    yield Check(
        rule=f"at least {config.min_gold} gold rows",
        threshold=float(config.min_gold),
        observed=float(evidence.gold_rows),
        verdict=Verdict.PASS if enough else Verdict.UNDECIDED,
        next_step=""
        if enough
        else f"label more rows of the split {config.gold_split}, or lower label_examples.min_gold",
    )
    if combined.method == "label_model":
        yield compare(
            f"{name} of the label model minus majority vote's on gold rows",
            None if combined.gain is None else combined.gain.value,
            Bound(at_least=-config.margin),
            next_step="set label_examples.method: auto or majority: majority vote is better on the gold rows",
        )
