"""The `evaluate_model` section: what is measured, on which slices, and what a model must hold to be blessed."""

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from core.decision import Bound
from core.problem import FromProblem, Metric, ModelOutput, Task
from core.settings import GateSettings, Settings

if TYPE_CHECKING:
    from artifacts.evaluation.measures import Measures

Features = tuple[str, ...]
"""Features whose values are crossed; one feature is a plain slice, none is all of the data."""


class SliceThreshold(Settings):
    """A bound that a metric must keep on every slice of some features."""

    metric: str
    """As the evaluation names it, such as `auc`."""
    slices: tuple[Features, ...] = Field(min_length=1)
    """Which of the configured slices it holds for."""
    at_least: float | None = None
    """Lowest value that is good enough, in the metric's own unit."""
    at_most: float | None = None
    """Highest value that is good enough, in the metric's own unit."""

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        _exactly_one(self.metric, at_least=self.at_least, at_most=self.at_most)
        return self

    @property
    def bound(self) -> Bound:
        """The bound as the gate compares it."""
        return Bound(self.at_least, self.at_most)


class Change(Settings):
    """A bound on candidate minus champion, both measured on the same rows."""

    metric: str
    """As the evaluation names it, such as `auc`."""
    at_least_change: float | None = None
    """Lowest difference that is good enough; -0.005 lets the candidate lose half a point."""
    at_most_change: float | None = None
    """Highest difference that is good enough, for a metric where less is better."""
    slices: tuple[Features, ...] = ((),)
    """Where it holds: `[[]]` is all of the data, `[[carrier]]` every carrier by itself."""

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        _exactly_one(self.metric, at_least_change=self.at_least_change, at_most_change=self.at_most_change)
        return self

    @property
    def bound(self) -> Bound:
        """The bound as the gate compares it."""
        return Bound(self.at_least_change, self.at_most_change)


class Baseline(Settings):
    """A method so simple that a model which does not beat it is not worth its keep."""

    kind: Literal["majority", "rate_table", "linear"]
    """`majority`: the label's mean or commonest class; `rate_table`: its smoothed mean per cell; `linear`: a (logistic)
    regression on the raw features."""
    keys: Features = ()
    """The features that span a rate table."""
    smoothing: float = Field(default=20.0, ge=0)
    """How many rows of the overall mean a cell of a rate table is given."""
    must_beat: bool = True
    """Whether the gate closes when the model does not beat it; otherwise it is only shown."""
    margin: float = Field(default=0.0, ge=0)
    """What the lower end of the confidence interval of the gain must exceed, in AUC, accuracy or R2."""

    @model_validator(mode="after")
    def _keys_of_a_table(self) -> Self:
        if bool(self.keys) != (self.kind == "rate_table"):
            raise ValueError(
                f"baseline {self.kind!r}: wanted keys for a rate_table and for nothing else, got {list(self.keys)}"
            )
        return self

    @property
    def name(self) -> str:
        """What reports call it, such as `rate_table[carrier, hour]`."""
        return f"{self.kind}[{', '.join(self.keys)}]" if self.keys else self.kind


class LeakGuard(Settings):
    """What is too good to be true."""

    suspicious_above: float | None = None
    """AUC (accuracy, R2) of the model above which the label is suspected among the features."""
    feature_above: float | None = None
    """The same for any single raw feature, read off a table of its values or of 20 quantiles."""


class TfmaMetric(Settings):
    """One more of TFMA's own metrics, beside those that the task brings."""

    name: str
    """TFMA's class name, such as `FalsePositiveRate` or `SensitivityAtSpecificity`."""
    config: dict[str, float | str | tuple[float, ...]] = Field(default_factory=dict)
    """Its arguments, such as `{thresholds: [0.3]}`."""


class Config(GateSettings):
    """How a model is evaluated; what `problem` says comes from there."""

    label: Annotated[str, FromProblem("label")]
    task: Annotated[Task, FromProblem("task")]
    metrics: Annotated[tuple[Metric, ...], FromProblem("metrics")] = ()
    model_output: Annotated[ModelOutput, FromProblem("model_output")] = "auto"
    weight: Annotated[str | None, FromProblem("weight")] = None
    slices: tuple[Features, ...] = ()
    """Which slices and crosses are measured, such as `[[carrier], [carrier, origin]]`."""
    slice_thresholds: tuple[SliceThreshold, ...] = ()
    max_slices: int = Field(default=1000, ge=1)
    """Most slices of one cross that are measured, those with the most rows first; the others are counted."""
    min_slice_examples: int = Field(default=200, ge=1)
    """A slice with fewer rows is shown and counted, but no bound is held against it: its numbers are noise."""
    expected_slices: tuple[dict[str, str], ...] = ()
    """Slices that must be there with enough rows, such as `{origin: JFK}`."""
    absent_slice: Literal["fail", "undecided"] = "fail"
    """What an expected slice without enough rows means; either way the gate is closed."""
    change: tuple[Change, ...] = ()
    first_model: Literal["absolute", "undecided"] = "absolute"
    """Without a champion: decide by all the other rules, or leave it to a person."""
    baselines: tuple[Baseline, ...] = ()
    baseline_examples: int = Field(default=100_000, ge=100)
    """Most rows of the train split that the baselines are fitted on, drawn at random."""
    leak: LeakGuard = LeakGuard()
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """Of the two-sided intervals of a gain."""
    min_examples: int = Field(default=200, ge=1)
    """Fewest rows of the eval split that a verdict can rest on."""
    decision_threshold: float = Field(default=0.5, gt=0, lt=1)
    """The probability from which accuracy, precision and recall call a row positive."""
    more_metrics: tuple[TfmaMetric, ...] = ()
    engine: Literal["in_process", "beam"] = "in_process"
    """Who sums up: vectorized in this process, or TFMA's own Beam pipeline; the numbers are the same."""
    beam_options: tuple[str, ...] = (
        "--runner=DirectRunner",
        "--direct_running_mode=in_memory",
        "--direct_num_workers=1",
    )
    """For `engine: beam`, Beam's own flags."""
    batch_size: int = Field(default=8192, ge=1)
    """Rows the model predicts at a time."""
    parity_examples: int = Field(default=32, ge=1)
    """Raw rows with their predictions that are kept, for a server to be compared with."""
    seed: int = 0

    @model_validator(mode="after")
    def _known_slices(self) -> Self:
        measured = {frozenset(features) for features in self.slices} | {frozenset[str]()}
        named = [("slice_thresholds", f) for rule in self.slice_thresholds for f in rule.slices]
        named += [("change", f) for rule in self.change for f in rule.slices]
        named += [("expected_slices", tuple(expected)) for expected in self.expected_slices]
        for where, features in named:
            if frozenset(features) not in measured:
                raise ValueError(
                    f"{where}: {list(features)} is not among slices, "
                    f"got {[list(features) for features in self.slices]}; add it there"
                )
        return self

    @property
    def measures(self) -> "Measures":
        """What is asked of the evaluation."""
        from artifacts.evaluation.measures import Measures  # noqa: PLC0415 - a configuration is read without NumPy
        from problems.kind import TfmaMetric as Asked  # noqa: PLC0415

        return Measures(
            label=self.label,
            task=self.task,
            slices=self.slices,
            max_slices=self.max_slices,
            more_metrics=tuple(Asked(metric.name, metric.config) for metric in self.more_metrics),
            decision_threshold=self.decision_threshold,
            confidence=self.confidence,
            min_examples=self.min_examples,
            beam_options=self.beam_options if self.engine == "beam" else None,
            batch_size=self.batch_size,
        )


def _exactly_one(metric: str, **bounds: float | None) -> None:
    given = [name for name, value in bounds.items() if value is not None]
    if len(given) != 1:
        raise ValueError(
            f"metric {metric!r}: wanted exactly one of {' and '.join(bounds)}, got {' and '.join(given) or 'none'}"
        )
