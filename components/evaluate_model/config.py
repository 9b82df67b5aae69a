"""The `evaluate_model` section: the metrics, the slices, and the thresholds that a model must keep to be blessed."""

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from core.beam.settings import Beam
from core.decision import Bound
from core.problem import FromProblem, Metric, ModelOutput, Task
from core.settings import FromUseCase, GateSettings, Settings

if TYPE_CHECKING:
    from artifacts.evaluation.spec import EvaluationSpec

Features = tuple[str, ...]
"""Features whose values are crossed; one feature is a plain slice, none means all rows."""


class SliceThreshold(Settings):
    """A threshold that a metric must keep on every slice of some features."""

    metric: str
    """As the evaluation names it, such as `auc`."""
    slices: tuple[Features, ...] = Field(min_length=1)
    """Which of the configured slices it applies to."""
    at_least: float | None = None
    """Lowest value that passes, in the metric's own unit."""
    at_most: float | None = None
    """Highest value that passes, in the metric's own unit."""

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        _exactly_one(self.metric, at_least=self.at_least, at_most=self.at_most)
        return self

    @property
    def bound(self) -> Bound:
        """The bound as the gate compares it."""
        return Bound(self.at_least, self.at_most)


class Change(Settings):
    """A threshold for the candidate's metric minus the champion's, both on the same rows."""

    metric: str
    """As the evaluation names it, such as `auc`."""
    at_least_change: float | None = None
    """Lowest difference that passes; -0.005 allows the candidate to be worse by 0.005."""
    at_most_change: float | None = None
    """Highest difference that passes, for a metric where less is better."""
    slices: tuple[Features, ...] = ((),)
    """Where it applies: `[[]]` means all rows, `[[carrier]]` each carrier."""

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        _exactly_one(self.metric, at_least_change=self.at_least_change, at_most_change=self.at_most_change)
        return self

    @property
    def bound(self) -> Bound:
        """The bound as the gate compares it."""
        return Bound(self.at_least_change, self.at_most_change)


class Baseline(Settings):
    """A simple method that the candidate is compared with."""

    kind: Literal["majority", "rate_table", "linear"]
    """`majority`: the label's mean or commonest class; `rate_table`: its smoothed mean per cell; `linear`: a (logistic)
    regression on the raw features."""
    keys: Features = ()
    """The features whose crossed values are the cells of a rate table."""
    smoothing: float = Field(default=20.0, ge=0)
    """Number of rows with the overall mean that are added to each cell of a rate table."""
    must_beat: bool = True
    """Whether the gate is closed when the model does not beat it; otherwise it is only shown."""
    margin: float = Field(default=0.0, ge=0)
    """The lower end of the gain's confidence interval must be above this, in AUC, accuracy or R2."""

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
    """Thresholds above which a label leak is suspected."""

    suspicious_above: float | None = None
    """Highest AUC (accuracy, R2) of the model that passes."""
    feature_above: float | None = None
    """Highest AUC (accuracy, R2) of a single raw feature that passes, from a rate table of its values or quantiles."""


class TfmaMetric(Settings):
    """A metric of TFMA in addition to those of the task."""

    name: str
    """TFMA's class name, such as `FalsePositiveRate` or `SensitivityAtSpecificity`."""
    config: dict[str, float | str | tuple[float, ...]] = Field(default_factory=dict)
    """Its arguments, such as `{thresholds: [0.3]}`."""


class Config(GateSettings):
    """How a model is evaluated; label, task, metrics, model_output and weight come from `problem`."""

    label: Annotated[str, FromProblem("label")]
    task: Annotated[Task, FromProblem("task")]
    metrics: Annotated[tuple[Metric, ...], FromProblem("metrics")] = ()
    model_output: Annotated[ModelOutput, FromProblem("model_output")] = "auto"
    weight: Annotated[str | None, FromProblem("weight")] = None
    slices: tuple[Features, ...] = ()
    """Slices and crosses to evaluate, such as `[[carrier], [carrier, origin]]`."""
    slice_thresholds: tuple[SliceThreshold, ...] = ()
    max_slices: int = Field(default=1000, ge=1)
    """Maximum number of slices per cross; those with the most rows are evaluated, the others are counted."""
    min_slice_examples: int = Field(default=200, ge=1)
    """A slice with fewer rows is shown and counted, but no threshold applies to it, because its metrics are noise."""
    expected_slices: tuple[dict[str, str], ...] = ()
    """Slices that must have `min_slice_examples` rows or more, such as `{origin: JFK}`."""
    absent_slice: Literal["fail", "undecided"] = "fail"
    """The verdict for an expected slice with fewer rows; the gate is closed either way."""
    change: tuple[Change, ...] = ()
    first_model: Literal["absolute", "undecided"] = "absolute"
    """Without a champion: `absolute` decides by the other rules, `undecided` leaves the decision to a person."""
    baselines: tuple[Baseline, ...] = ()
    baseline_examples: int = Field(default=100_000, ge=100)
    """Maximum number of rows of the train split that the baselines are fitted on, drawn at random."""
    leak: LeakGuard = LeakGuard()
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """Level of the two-sided confidence intervals of a gain."""
    min_examples: int = Field(default=200, ge=1)
    """Minimum number of rows of the eval split; with fewer the gate is undecided."""
    decision_threshold: float = Field(default=0.5, gt=0, lt=1)
    """Rows with at least this probability are predicted positive, for accuracy, precision and recall."""
    more_metrics: tuple[TfmaMetric, ...] = ()
    sample_rows: int = Field(default=1_000_000, ge=1000, le=100_000_000)
    """On Beam: maximum number of rows, drawn at random with `seed`, that skills, gains with their intervals, metrics
    that TFMA does not have, and pictures are computed from; TFMA's metrics are computed from all rows."""
    batch_size: int = Field(default=8192, ge=1)
    """Rows per call of the model."""
    parity_examples: int = Field(default=32, ge=1)
    """Number of raw rows that are kept with their predictions, to compare a server's predictions with."""
    seed: int = 0
    beam: Annotated[Beam | None, FromUseCase("beam")] = None

    @model_validator(mode="after")
    def _known_slices(self) -> Self:
        evaluated = {frozenset(features) for features in self.slices} | {frozenset[str]()}
        used: list[tuple[str, Features]] = []
        for threshold in self.slice_thresholds:
            used += [("slice_thresholds", features) for features in threshold.slices]
        for change in self.change:
            used += [("change", features) for features in change.slices]
        used += [("expected_slices", tuple(expected)) for expected in self.expected_slices]
        for where, features in used:
            if frozenset(features) not in evaluated:
                raise ValueError(
                    f"{where}: {list(features)} is not among slices, "
                    f"got {[list(features) for features in self.slices]}; add it there"
                )
        return self

    @property
    def evaluation_spec(self) -> "EvaluationSpec":
        """The specification of the evaluation."""
        from artifacts.evaluation.spec import EvaluationSpec  # noqa: PLC0415 - a configuration is read without NumPy
        from problems.kind import TfmaMetric as SpecMetric  # noqa: PLC0415

        return EvaluationSpec(
            label=self.label,
            task=self.task,
            slices=self.slices,
            max_slices=self.max_slices,
            more_metrics=tuple(SpecMetric(metric.name, metric.config) for metric in self.more_metrics),
            decision_threshold=self.decision_threshold,
            confidence=self.confidence,
            min_examples=self.min_examples,
        )


def _exactly_one(metric: str, **bounds: float | None) -> None:
    given = [name for name, value in bounds.items() if value is not None]
    if len(given) != 1:
        raise ValueError(
            f"metric {metric!r}: wanted exactly one of {' and '.join(bounds)}, got {' and '.join(given) or 'none'}"
        )
