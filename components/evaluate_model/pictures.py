"""What a person looks at: curves, slices, and the candidate beside its rivals."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from components.evaluate_model.columns import Values
from components.evaluate_model.config import Config
from components.evaluate_model.eval_config import CANDIDATE, CHAMPION
from components.evaluate_model.judged import Judged
from components.evaluate_model.measured import Measured, Slice, primary
from components.evaluate_model.slices import label
from mlops.core import pictures
from mlops.core.decision import Decision, Verdict
from mlops.core.pictures import COLORS, Markup

POINTS = 200
BINS = 20
SLICES_SHOWN = 25


def draw(config: Config, judged: Judged, measured: Measured, decision: Decision, path: Path | str) -> None:
    """Write the pictures of an evaluation; what could not be measured is not drawn."""
    parts: list[str] = [pictures.verdict(decision.verdict.value), Markup(f"<p>{pictures.muted(decision.summary)}</p>")]
    if measured.slices:
        parts += [_rivals(config, measured), *_curves(config, judged, measured), *_slices(config, measured)]
    closed = [check for check in decision.checks if check.verdict is not Verdict.PASS]
    rows = [[pictures.verdict(check.verdict.value), check.rule, check.slice, check.observed, check.next_step] for check in closed]
    if rows:
        parts.append(pictures.table(["verdict", "rule", "slice", "observed", "next step"], rows))
    pictures.write(path, pictures.fragment("Evaluation", *parts))


def _rivals(config: Config, measured: Measured) -> Markup:
    """Draw candidate, champion and baselines as bars, with the interval of the gain as the whisker at the rival's place."""
    names = [CANDIDATE, *("champion" if rival.name == CHAMPION else rival.name for rival in measured.rivals)]
    values = [measured.candidate_skill, *(rival.skill for rival in measured.rivals)]
    with pictures.figure(6.0, 0.5 + 0.35 * len(names)) as figure:
        axes = figure.subplots()
        axes.barh(names, values, color=[COLORS[0], *(COLORS[1] if rival.name == CHAMPION else "#b9bec6" for rival in measured.rivals)])
        for place, (name, value) in enumerate(zip(names, values, strict=True)):
            gain = "" if name == CANDIDATE else _gain_text(measured, place - 1)
            axes.text(value, place, f" {value:.3f}{gain}", va="center", fontsize=8)
        axes.invert_yaxis()
        axes.margins(x=0.35)
        axes.set_xlabel(primary(config))
        axes.set_title(f"{primary(config)} of the candidate and its rivals; in brackets the candidate's gain ({config.confidence:.0%} interval)")
        return pictures.svg(figure, "The candidate beside its rivals")


def _gain_text(measured: Measured, place: int) -> str:
    gain = measured.rivals[place].gain
    return f"  ({gain.value:+.3f}: {gain.low:+.3f} to {gain.high:+.3f})"


def _curves(config: Config, judged: Judged, measured: Measured) -> Iterator[Markup]:
    """Draw how the scores of a binary classification lie, and what a regression predicts."""
    del measured
    labels, shown = judged.labels, dict(judged.models)
    if config.task == "binary_classification":
        with pictures.figure(9.0, 3.2) as figure:
            roc, calibration, histogram = figure.subplots(1, 3)
            for index, (name, scores) in enumerate(shown.items()):
                title, color = ("candidate", "champion")[name == CHAMPION], COLORS[index]
                roc.plot(*_roc(labels, scores), label=title, color=color)
                calibration.plot(*_calibration(labels, scores), marker="o", markersize=3, label=title, color=color)
            for axes, name, x, y in (
                (roc, "ROC", "false positive rate", "true positive rate"),
                (calibration, "Calibration", "prediction", "rate of positives"),
            ):
                axes.plot([0, 1], [0, 1], color="#b9bec6", linewidth=0.8, linestyle="--")
                axes.set(title=name, xlabel=x, ylabel=y)
            roc.legend()
            bins = np.linspace(0, 1, BINS + 1).tolist()
            for outcome, color in ((0, COLORS[4]), (1, COLORS[5])):
                histogram.hist(shown[CANDIDATE][labels == outcome], bins=bins, density=True, alpha=0.6, color=color, label=f"label {outcome}")
            histogram.set(title="Scores of the candidate", xlabel="prediction", ylabel="density")
            histogram.legend()
            yield pictures.svg(figure, "ROC curve, calibration and histogram of the scores")
    elif config.task == "regression":
        with pictures.figure(4.0, 3.2) as figure:
            axes = figure.subplots()
            some = np.linspace(0, len(labels) - 1, min(len(labels), 1000)).astype(int)
            axes.plot(labels[some], shown[CANDIDATE][some], ".", markersize=3, alpha=0.5)
            axes.set(title="Predictions of the candidate", xlabel="label", ylabel="prediction")
            yield pictures.svg(figure, "Predictions against labels")


def _roc(labels: Values, scores: Values) -> tuple[Values, Values]:
    order = np.argsort(-scores, kind="stable")
    positive = labels[order] > 0
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    hits, misses = np.cumsum(positive)[ends], np.cumsum(~positive)[ends]
    some = np.unique(np.linspace(0, len(ends) - 1, min(POINTS, len(ends))).astype(int))
    return np.append(0, misses[some] / misses[-1]), np.append(0, hits[some] / hits[-1])


def _calibration(labels: Values, scores: Values) -> tuple[Values, Values]:
    """Mean score and rate of positives in bins of equally many rows."""
    parts = [part for part in np.array_split(np.argsort(scores, kind="stable"), 10) if len(part)]
    return np.array([scores[part].mean() for part in parts]), np.array([labels[part].mean() for part in parts])


_SHOWN = {"binary_classification": ("auc", True), "multiclass_classification": ("accuracy", True), "regression": ("mean_squared_error", False)}


def _slices(config: Config, measured: Measured) -> Iterator[Markup]:
    """Draw the worst slices of each kind that are large enough to be judged, with their rows and thresholds."""
    metric, more_is_better = _SHOWN[config.task]
    for features in config.slices:
        found = [item for item in measured.slices if features and {name for name, _ in item.key} == set(features)]
        large = [item for item in found if item.examples >= config.min_slice_examples and np.isfinite(item.candidate.get(metric, np.nan))]
        large.sort(key=lambda item: item.candidate[metric] if more_is_better else -item.candidate[metric])
        if large:
            yield _slice_chart(config, metric, features, large[:SLICES_SHOWN])
        left = len(found) - min(len(large), SLICES_SHOWN)
        if left:
            yield Markup(f"<p>{pictures.muted(f'{left} more slices of ' + ' and '.join(features) + ' stand in metrics.json')}</p>")


def _slice_chart(config: Config, metric: str, features: tuple[str, ...], items: list[Slice]) -> Markup:
    bounds = [rule for rule in config.slice_thresholds if rule.metric == metric and set(features) in [set(f) for f in rule.slices]]
    with pictures.figure(7.0, 0.7 + 0.2 * len(items)) as figure:
        axes = figure.subplots()
        places = np.arange(len(items))
        axes.barh(places, [item.candidate[metric] for item in items], color=COLORS[0], height=0.7, label="candidate")
        champions = [(place, item.champion[metric]) for place, item in enumerate(items) if item.champion]
        if champions:
            axes.plot([value for _, value in champions], [place for place, _ in champions], "D", color=COLORS[1], markersize=4, label="champion")
        for rule in bounds:
            axes.axvline(next(value for value in rule.bound if value is not None), color=COLORS[5], linewidth=1, linestyle="--", label="threshold")
        axes.set_yticks(places, [f"{label(item.key)} ({item.examples:,})" for item in items], fontsize=7)
        axes.invert_yaxis()
        axes.set_title(f"{metric} by {' and '.join(features)}, worst first")
        axes.legend(loc="lower right", fontsize=7)
        return pictures.svg(figure, f"{metric} per slice of {', '.join(features)}")
