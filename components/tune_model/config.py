"""The `tune_model` section: which hyperparameters are tried, how, and what must be shown before they are used."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from core.settings import Settings


class Dimension(Settings):
    """The values of one hyperparameter: a range of numbers, or a list to choose from."""

    min: int | float | None = None
    max: int | float | None = None
    step: int | float | None = Field(default=None, gt=0)
    """Distance of neighbouring values; with `scale: log` their ratio, above 1."""
    scale: Literal["linear", "log"] = "linear"
    integer: bool | None = None
    """Whether values are whole numbers; by default they are when `min` and `max` are written without a point."""
    choices: tuple[Any, ...] | None = None
    """Values of any kind, lists too, such as [[32], [64, 32]]."""

    @model_validator(mode="after")
    def _range_or_choices(self) -> Self:
        if self.choices is not None:
            if (self.min, self.max, self.step) != (None, None, None):
                raise ValueError("wanted either choices or min and max, got both")
            if len({repr(choice) for choice in self.choices}) < 2:
                raise ValueError("wanted at least two different choices")
            return self
        if self.min is None or self.max is None:
            raise ValueError("wanted min and max, or choices")
        if self.min >= self.max:
            raise ValueError(f"wanted min below max, got {self.min:g} and {self.max:g}")
        if self.scale == "log" and self.min <= 0:
            raise ValueError(f"wanted min above 0 on a log scale, got {self.min:g}")
        if self.scale == "log" and self.step is not None and self.step <= 1:
            raise ValueError(f"wanted step above 1 on a log scale, got {self.step:g}")
        if self.integer is None:
            # KFP turns every number into a float, so that only now it can be seen how they were written.
            object.__setattr__(self, "integer", isinstance(self.min, int) and isinstance(self.max, int))
        return self


class Config(Settings):
    """How hyperparameters are tuned; everything else of a training is as `train_model` says."""

    space: dict[str, Dimension] = Field(default_factory=dict)
    """Hyperparameters by the name under which `build_model` reads them. Empty for a module whose `build_model(hp)`
    declares them itself, as for KerasTuner."""
    method: Literal["halving", "hyperband", "bayesian"]
    """`halving`: `trials` random points with few epochs, the best third of them with more, and so on; `hyperband`:
    several such rounds, from many short trials to few long ones; `bayesian`: a Gaussian process proposes points, all
    with the full number of epochs."""
    trials: int = Field(default=9, ge=1, le=1000)
    """Points that are drawn (`halving`), or tried (`bayesian`); `hyperband` has as many as epochs and factor give."""
    factor: int = Field(default=3, ge=2)
    """Of `halving` and `hyperband`: one of so many goes on, with so many times the epochs."""
    epochs: int | None = Field(default=None, ge=1)
    """Epochs of the longest trials; those of `train_model` when empty."""
    side_by_side: int = Field(default=2, ge=1)
    """Points that `bayesian` proposes before it hears of the last ones; other methods draw a whole rung at once."""
    workers: int = Field(default=2, ge=1)
    """Processes that run trials; what is found does not depend on it."""
    seed: int = Field(default=1, ge=1, lt=1 << 31)
    """Of the points that are drawn."""
    compare_seeds: tuple[int, ...] = Field(default=(101, 102, 103), min_length=1)
    """Seeds with which the best point and the default are trained again; their gains are averaged."""
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """Of the interval of the gain, which is widened for the number of points that were compared."""
    min_gain: float = Field(default=0.0, ge=0)
    """The lower end of that interval must be above it, in AUC, accuracy or R2; otherwise the default stays."""
    min_finite: float = Field(default=0.5, ge=0, le=1)
    """Smallest share of trials that end with a finite loss."""
    on_bound: Literal["keep_default", "accept"] = "keep_default"
    """What happens when the best value of a range is its `min` or `max`, beyond which better ones may lie."""
    in_training: bool = True
    """Whether every run that trains is tuned first; otherwise only `mlops tune` does."""
