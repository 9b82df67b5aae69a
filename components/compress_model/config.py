"""The `compress_model` section: the variants that are made, the one that goes on, and what it may lose."""

from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from artifacts.compression.variant import Variant, variant
from artifacts.fairness.names import Rate
from core.problem import FromProblem, Metric, ModelOutput, Task
from core.settings import GateSettings, Settings


def _known(name: Any) -> Any:
    if isinstance(name, str):
        variant(name)
    return name


VariantName = Annotated[str, BeforeValidator(_known)]


class Pruning(Settings):
    """Which weights are set to 0 while the model is trained further, those of the smallest magnitude first."""

    initial_sparsity: float = Field(default=0.5, ge=0, lt=1)
    """Share of the weights that are 0 from the first mask on."""
    final_sparsity: float = Field(default=0.8, gt=0, lt=1)
    power: float = Field(default=3.0, gt=0)
    """Exponent of the polynomial between both: with 3, most weights are pruned early."""
    ends: float = Field(default=0.75, gt=0, le=1)
    """Share of the extra optimizer steps after which the final sparsity is reached; the rest is for recovery."""
    every: int = Field(default=20, ge=1)
    """Optimizer steps between two masks."""
    min_weights: int = Field(default=256, ge=2)
    """Matrices and kernels of fewer weights stay as they are."""

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if self.initial_sparsity > self.final_sparsity:
            raise ValueError(
                f"wanted initial_sparsity <= final_sparsity, got {self.initial_sparsity:g} and {self.final_sparsity:g}"
            )
        return self


class Thresholds(Settings):
    """What the variant that goes on may lose, and must gain; both of its formats are held to the losses."""

    max_loss: float = Field(default=0.001, ge=0)
    """Largest loss of the metric against the uncompressed model on all rows, in the metric's unit."""
    max_slice_loss: float = Field(default=0.005, ge=0)
    """Largest loss on any slice of `min_slice_examples` rows or more."""
    max_loss_to_control: float = Field(default=0.02, ge=0)
    """Largest loss against the model with the same extra epochs, for a variant that is trained further."""
    agreement: float = Field(default=0.995, gt=0, le=1)
    """Smallest share of rows with the same class in SavedModel and TFLite file."""
    max_difference: float = Field(default=0.05, gt=0)
    """Largest difference between a prediction of SavedModel and TFLite file: of a probability, or in standard
    deviations of a regression's predictions."""
    smaller_by: float = Field(default=1.0, gt=0)
    """By which factor the TFLite file must be smaller than the uncompressed one, gzip to gzip."""
    row_us: float | None = Field(default=None, gt=0)
    """Largest median latency of one row in the TFLite file, in microseconds."""
    max_gap_growth: float = Field(default=0.02, ge=0)
    """By how much a gap that `measure_fairness` bounds may grow, such as that of the false positive rate by sex."""


class Evaluation(BaseModel):
    """What `evaluate_model` compares by; the rest of its section is not needed here."""

    model_config = ConfigDict(frozen=True)

    slices: tuple[tuple[str, ...], ...] = ()
    groups: tuple[tuple[str, ...], ...] = ()
    """Those of `measure_fairness`, where it is configured."""
    rates: tuple[Rate, ...] = ()
    """The rates whose gaps between groups it bounds."""
    min_slice_examples: int = 200
    max_slices: int = 1000
    decision_threshold: float = 0.5


class Config(GateSettings):
    """How a trained model is compressed; label, task, metrics, model_output and weight come from `problem`."""

    label: Annotated[str, FromProblem("label")]
    task: Annotated[Task, FromProblem("task")]
    metrics: Annotated[tuple[Metric, ...], FromProblem("metrics")] = ()
    model_output: Annotated[ModelOutput, FromProblem("model_output")] = "auto"
    weight: Annotated[str | None, FromProblem("weight")] = None
    ship: VariantName
    """The variant that goes on: through evaluation, infra validation and push, as any model."""
    also: tuple[VariantName, ...] = ()
    """Variants that are made beside it, to compare."""
    thresholds: Thresholds = Thresholds()
    calibration_rows: int = Field(default=500, ge=100)
    """Rows of the train split that the ranges of activations are taken from, for `int8` and `qat`."""
    pruning: Pruning = Pruning()
    epochs: int = Field(default=2, ge=1)
    """Extra epochs of training, for pruned variants, `qat` and the control."""
    hyperparameters: dict[str, Any] = Field(default_factory=dict)
    """Those of the extra epochs that differ from the training's, such as a smaller learning rate."""
    sparse: bool = False
    """Whether the TFLite file of a pruned variant that goes on has sparse encoding: smaller as it is, larger after
    gzip."""
    max_rows: int = Field(default=100_000, ge=100)
    """Most rows of the eval split that are predicted, drawn at random."""
    conversion_seconds: float = Field(default=300.0, gt=0)
    """How long one conversion may take."""
    seed: int = 0

    @property
    def metric(self) -> str:
        """What the gate decides by: the first of problem.metrics."""
        return self.metrics[0].name

    @property
    def more_is_better(self) -> bool:
        """Whether a larger value of the metric is the better one."""
        return self.metrics[0].at_least is not None

    @property
    def shipped(self) -> Variant:
        """The variant that goes on."""
        return variant(self.ship)

    @property
    def variants(self) -> tuple[Variant, ...]:
        """All variants, each once, the one that goes on first."""
        return tuple(dict.fromkeys(variant(name) for name in (self.ship, *self.also)))
