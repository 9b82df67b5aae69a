"""Draws the state of labels, their delay, and what could not be used."""

from collections.abc import Sequence
from typing import Any

from artifacts.feedback.report import Feedback
from core import pictures
from core.pictures import Markup

_SHOWN = 20


def draw(feedback: Feedback, problems: Sequence[dict[str, Any]]) -> Markup:
    """Draw the counts, the curve of the label delay, and the first problems."""
    labels = feedback.labels
    open_rows = labels["waiting"] + labels["overdue"]
    share = f"{open_rows / labels['rows']:.1%} still without a label" if labels["rows"] else "no rows"
    parts: list[str] = [f"As of {feedback.as_of}: {labels['rows']:,} answered rows, {share}."]
    parts.append(pictures.table(["what", "count"], [*_counts("label", labels), *_counts("outcome", feedback.outcomes)]))
    parts.append(
        pictures.table(["what", "count"], [*_counts("key", feedback.keys), *_counts("log", feedback.predictions)])
    )
    if feedback.delay.curve:
        with pictures.figure(5.0, 2.4) as figure:
            axes = figure.add_subplot()
            axes.step([one[0] for one in feedback.delay.curve], [one[1] for one in feedback.delay.curve], where="post")
            axes.set(xlabel="days after the prediction", ylabel="share of labels known", ylim=(0, 1.02))
        parts.append(pictures.svg(figure, "share of labels that are known, by days after the prediction"))
    if problems:
        rows = [[one["kind"], one["where"], one["reason"]] for one in problems[:_SHOWN]]
        parts.append(pictures.table(["problem", "where", "reason"], rows))
    return pictures.fragment("Feedback", *parts)


def _counts(what: str, counts: dict[str, int]) -> list[list[str | float | None]]:
    return [[f"{what}: {name.replace('_', ' ')}", count] for name, count in counts.items()]
