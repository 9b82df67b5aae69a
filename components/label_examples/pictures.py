"""Draws the analysis of labeling functions, how they agree, and the labels that came out."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from components.label_examples.gate import Evidence
from core import pictures
from core.decision import Decision, Verdict
from core.pictures import Markup, Series
from problems.labeling.analysis import FunctionAnalysis, agreement
from problems.labeling.votes import Votes, covered

_BINS = 20
_TITLES = {"label_model": "label model", "majority": "majority vote"}


def draw(evidence: Evidence, votes: Votes, decision: Decision, path: Path | str) -> None:
    """Write the picture: tables of methods and functions, the matrix of agreement, and the histogram of labels."""
    combined = evidence.combined
    closed = [check for check in decision.checks if check.verdict is not Verdict.PASS]
    facts = f"{len(votes):,} rows, a vote on {evidence.coverage:.1%} of them; {evidence.gold_rows:,} gold rows."
    parts: list[str] = [f"{facts} Labels are the {_TITLES[combined.method]}'s."]
    if closed:
        rows = [[pictures.verdict(check.verdict), check.rule, check.observed, check.next_step] for check in closed]
        parts.append(pictures.table(["", "rule", "observed", "next step"], rows))
    parts.append(_methods(evidence))
    parts.append(_functions(evidence.functions, evidence.classes))
    parts.append(_agreement(votes, evidence.functions))
    parts += _labels(evidence, votes)
    pictures.write(path, pictures.fragment("Labels from labeling functions", *parts))


def draw_spread(method: str, alone: float, reached: float, decision: Decision, path: Path | str) -> None:
    """Write the picture of a method without functions: its skill beside that of the gold rows alone, and the gate."""
    rows = [[pictures.verdict(check.verdict), check.rule, check.observed, check.next_step] for check in decision.checks]
    skills = pictures.table(
        ["on gold rows held out", "AUC or accuracy"], [["gold rows alone", alone], [method, reached]]
    )
    parts = [skills, pictures.table(["", "rule", "observed", "next step"], rows)]
    pictures.write(path, pictures.fragment("Labels from gold rows and likeness", *parts))


def _methods(evidence: Evidence) -> Markup:
    combined = evidence.combined
    rows: list[Sequence[str | float | None]] = []
    for method, skill in combined.skills.items():
        chosen = Markup("<b>chosen</b>") if method == combined.method else ""
        rows.append([_TITLES[method], _finite(skill), _finite(combined.accuracies[method]), chosen])
    if combined.gain is not None:
        gain = combined.gain
        rows.append(
            ["label model minus majority", f"{gain.value:+.4f} ({gain.low:+.4f} to {gain.high:+.4f})", None, ""]
        )
    return pictures.table(["on gold rows", "AUC or accuracy", "accuracy", ""], rows)


def _functions(functions: Sequence[FunctionAnalysis], classes: Sequence[str]) -> Markup:
    headers = ["function", "votes for", "coverage", "overlaps", "conflicts", "gold votes", "correct on gold", "learned"]
    rows: list[list[str | float | None]] = [
        [
            function.name,
            ", ".join(classes[number] for number in function.polarity) or pictures.muted("nothing"),
            function.coverage,
            function.overlaps,
            function.conflicts,
            function.gold_votes,
            function.accuracy,
            function.weight,
        ]
        for function in functions
    ]
    return pictures.table(headers, rows)


def _agreement(votes: Votes, functions: Sequence[FunctionAnalysis]) -> Markup:
    names = [function.name for function in functions]
    side = min(1.6 + 0.32 * len(names), 9.0)
    with pictures.figure(side + 1.4, side) as figure:
        axes = figure.add_subplot()
        image = axes.imshow(agreement(votes), vmin=0, vmax=1, cmap="cividis")
        axes.set_xticks(range(len(names)), names, rotation=60, ha="right")
        axes.set_yticks(range(len(names)), names)
        axes.grid(visible=False)
        axes.set_title("share of equal votes where both vote")
        figure.colorbar(image, ax=axes, shrink=0.8)
    return pictures.svg(figure, "share of equal votes of each pair of labeling functions")


def _labels(evidence: Evidence, votes: Votes) -> list[str]:
    """Draw how sure the labels are, and how many rows each class has."""
    chosen = evidence.combined.probabilities(votes)[covered(votes)]
    if not len(chosen):
        return []
    edges = np.linspace(1 / chosen.shape[1], 1, _BINS + 1)
    counts, _ = np.histogram(chosen.max(axis=1), np.append(edges[:-1], 1 + 1e-9))
    shares = np.bincount(chosen.argmax(axis=1), minlength=chosen.shape[1]) / len(chosen)
    rows: list[list[str | float | None]] = [
        [name, float(share), float(expected), float(mean)]
        for name, share, expected, mean in zip(
            evidence.classes, shares, evidence.combined.balance, chosen.mean(axis=0), strict=True
        )
    ]
    return [
        "How sure the labels are: the probability of the most probable class.",
        pictures.bars(
            [Series("rows", (counts / len(chosen)).tolist())],
            [f"{edge:.2f} and more" for edge in edges[:-1]],
            width=360,
        ),
        pictures.table(["class", "share of labels", "class balance", "mean probability"], rows),
    ]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
