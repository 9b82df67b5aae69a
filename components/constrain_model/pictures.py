"""Draws a constraint: both models beside each other, group by group and rate by rate, and the epochs."""

from pathlib import Path

from artifacts.fairness import charts
from artifacts.fairness.constraint import Constraint
from artifacts.fairness.measurement import Group
from artifacts.fairness.names import CALIBRATION, RATES, Rate
from components.constrain_model.config import Config
from core import pictures
from core.decision import Decision
from core.pictures import Markup

Row = list[str | float | None]


def draw(config: Config, found: Constraint, decision: Decision, path: Path | str) -> None:
    """Write the pictures."""
    rows: list[Row] = [[check.rule, check.observed] for check in decision.checks]
    parts: list[str] = [
        f"The {found.passed} model goes on: {found.why}.",
        pictures.table(["rule", "observed"], rows),
        _gaps(found),
        _groups(found),
        Markup(f"<p>{pictures.muted('rates of the plain model, then of the constrained one:')}</p>"),
    ]
    for measured in (found.before, found.after):
        (grouping,) = measured.groupings
        if grouping.groups:
            parts.append(charts.at_threshold(grouping, config.decision_threshold))
    if found.epochs:
        parts.append(_epochs(found))
    parts.append(charts.explained())
    pictures.write(path, pictures.fragment("Constraint", *parts))


def _gaps(found: Constraint) -> Markup:
    rows: list[Row] = []
    for one in found.changes:
        grown = one.after - one.before
        note = "constrained" if one.constrained else "grows" if grown > 0.005 else ""
        name = one.rate.replace("_", " ")
        rows.append([pictures.bold(name) if one.constrained else name, one.before, one.after, grown, note])
    rows.append(["AUC", found.auc_before, found.auc_after, str(found.auc_change), ""])
    name = " x ".join(found.before.groupings[0].features)
    return pictures.table([f"gap by {name}", "plain", "constrained", "change", ""], rows)


def _groups(found: Constraint) -> Markup:
    """Tabulate every rate of every group, before and after."""
    after = {group.values: group for group in found.after.groupings[0].groups}
    rows: list[Row] = []
    for group in found.before.groupings[0].groups:
        for rate in RATES:
            rows.append(
                [group.name, rate.replace("_", " "), _estimate(group, rate), _estimate(after[group.values], rate)]
            )
    return pictures.table(["group", "rate", "plain", "constrained"], rows)


def _estimate(group: Group, rate: Rate) -> str:
    return str(group.calibration if rate == CALIBRATION else getattr(group.rates[0], rate))


def _epochs(found: Constraint) -> Markup:
    """Draw gap and AUC over the epochs, with the one that was kept."""
    numbers = range(1, len(found.epochs) + 1)
    with pictures.figure(8, 2.4) as figure:
        axes = figure.add_subplot(1, 2, 1)
        axes.plot(numbers, [one.training_gap for one in found.epochs], label="training")
        axes.plot(numbers, [one.gap for one in found.epochs], label="validation")
        axes.axhline(found.max_gap, linestyle="--", linewidth=0.8, color="#8a8f98", label="max_gap")
        axes.set_title("gap")
        axes.legend()
        other = figure.add_subplot(1, 2, 2)
        other.plot(numbers, [one.auc for one in found.epochs])
        other.axhline(found.auc_before, linestyle="--", linewidth=0.8, color="#8a8f98")
        other.set_title("AUC on the validation split")
        for each in (axes, other):
            each.axvline(found.epoch, linestyle=":", color="#8a8f98")
            each.set_xlabel("epoch")
        return pictures.svg(figure, "gap and AUC over the epochs")
