"""The quality of two runs' models side by side: the evaluation's metrics, and the verdicts of the gates."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from artifacts.evaluation import metrics_file
from mlops.report.outcome import outcome_of
from mlops.runs.record import Run

Direction = Literal["better", "worse", "same", ""]
_RULE = re.compile(r"(?P<metric>\w+) (?P<side>>=|<=) [-+.e\d]+")
_PINNED = ("data", "span")
"""Parameters that name what a run was trained and evaluated on."""
_MOST_SLICES = 3


@dataclass(frozen=True)
class Quality:
    """What is known of one run's model."""

    run_id: str
    pipeline: str
    headline: str
    data: Mapping[str, Any] = field(default_factory=dict)
    """The parameters that name the data."""
    verdicts: Mapping[str, str] = field(default_factory=dict)
    """Gate -> pass, fail or undecided."""
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    """On the whole eval split; empty when the run ended before its evaluation."""
    slices: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    """Slice in words -> metrics."""
    rules: Mapping[str, str] = field(default_factory=dict)
    """Metric -> the rule that the evaluation's gate holds it to, such as `auc >= 0.63`."""


@dataclass(frozen=True)
class MetricChange:
    """One metric in both runs."""

    name: str
    slice: str
    """Empty for the whole eval split."""
    before: float | None
    after: float | None
    rule: str
    """The gate's rule on it, if there is one."""

    @property
    def change(self) -> float | None:
        """The difference; None where one of the two is not known."""
        return None if self.before is None or self.after is None else self.after - self.before

    @property
    def direction(self) -> Direction:
        """Which way it moved; empty where no rule says which way is better, or where it is not known."""
        if not self.rule or self.change is None:
            return ""
        if self.change == 0:
            return "same"
        return "better" if (self.change > 0) == (">=" in self.rule) else "worse"

    @property
    def sentence(self) -> str:
        """The change in one sentence."""
        where = f" on {self.slice}" if self.slice else ""
        moved = (
            f" ({self.change:+.4f}{f', {self.direction}' if self.direction else ''})" if self.change is not None else ""
        )
        rule = f"; the gate wants {self.rule}" if self.rule and not self.slice else ""
        return f"{self.name}{where}: {number(self.before)} -> {number(self.after)}{moved}{rule}"


@dataclass(frozen=True)
class Comparison:
    """Two runs side by side."""

    before: Quality
    after: Quality
    metrics: tuple[MetricChange, ...]
    """On the whole eval split, those with a rule first."""
    slices: tuple[MetricChange, ...]
    """The slices that lost most of a metric with a rule."""

    @property
    def verdicts(self) -> Iterator[str]:
        """Yield a sentence for each gate whose verdict is another one."""
        for gate in [
            *self.before.verdicts,
            *(gate for gate in self.after.verdicts if gate not in self.before.verdicts),
        ]:
            before, after = (one.verdicts.get(gate, "not reached") for one in (self.before, self.after))
            if before != after:
                yield f"gate {gate}: {before} -> {after}"

    @property
    def caveats(self) -> Iterator[str]:
        """Yield what makes the numbers hard to compare."""
        for name in sorted(self.before.data.keys() | self.after.data.keys()):
            before, after = (one.data.get(name) for one in (self.before, self.after))
            if before != after:
                yield f"the runs used other data: {name} was {before}, and is {after}"
        for when, one in (("first", self.before), ("second", self.after)):
            if not one.metrics:
                yield f"the {when} run has no evaluation: {one.headline}"

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "before": asdict(self.before),
            "after": asdict(self.after),
            "metrics": [_change(one) for one in self.metrics],
            "slices": [_change(one) for one in self.slices],
            "verdicts": list(self.verdicts),
            "caveats": list(self.caveats),
        }


def quality_of(run: Run) -> Quality:
    """Read the quality of a run that has ended; CorruptArtifact when its metrics cannot be read."""
    outcome = outcome_of(run)
    evaluation = run.artifact("evaluate_model", "evaluation")
    numbers = _numbers(evaluation.uri) if evaluation is not None else {}
    rules: dict[str, str] = {}
    for decision in outcome.decisions:
        for check in decision.checks if decision.gate == "evaluate_model" else ():
            if (match := _RULE.fullmatch(check.rule)) and not check.slice:
                rules.setdefault(match["metric"], check.rule)
    return Quality(
        run.run_id,
        run.pipeline,
        outcome.headline,
        {name: run.parameters[name] for name in _PINNED if name in run.parameters},
        {decision.gate: decision.verdict.value for decision in outcome.decisions},
        numbers.get("overall", {}).get("candidate", {}),
        {_words(item["slice"]): item["candidate"] for item in numbers.get("slices", ())},
        rules,
    )


def compare(before: Quality, after: Quality) -> Comparison:
    """Compare two runs; a metric that only one of them has is shown with what is known."""
    rules = {**before.rules, **after.rules}
    names = sorted(before.metrics.keys() | after.metrics.keys(), key=lambda name: (name not in rules, name))
    metrics = [
        MetricChange(name, "", before.metrics.get(name), after.metrics.get(name), rules.get(name, "")) for name in names
    ]
    lost = [
        one
        for label in before.slices.keys() & after.slices.keys()
        for name, rule in rules.items()
        if (one := MetricChange(name, label, before.slices[label].get(name), after.slices[label].get(name), rule))
        and one.direction == "worse"
    ]
    lost.sort(key=lambda one: (-abs(one.change or 0.0), one.slice))
    return Comparison(before, after, tuple(metrics), tuple(lost[:_MOST_SLICES]))


def number(value: float | None) -> str:
    """Return a metric as a person reads it; counts without decimals."""
    if value is None:
        return "unknown"
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) >= 2 else f"{value:.4f}"


def _numbers(folder: str) -> dict[str, Any]:
    if "://" in folder:
        return {}  # on a cluster; its store is not on this machine
    return metrics_file.read(Path(folder))


def _words(key: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in key.items())


def _change(one: MetricChange) -> dict[str, Any]:
    return {**asdict(one), "change": one.change, "direction": one.direction, "sentence": one.sentence}
