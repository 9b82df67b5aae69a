"""The `tune_model` section: which hyperparameters are tried, how, and what must be shown before they are used."""

import math
import random
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from components.tune_model.rungs import halving_rungs
from core.settings import Settings

_DRAWS = 100
"""Draws for each point, until one is new; a small space has fewer points than trials."""


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

    def draw(self, chance: random.Random) -> Any:
        """Draw a value; four digits of one between steps are enough, and people can compare them."""
        if self.choices is not None:
            return chance.choice(self.choices)
        low, high = float(self.min or 0), float(self.max or 0)
        is_log = self.scale == "log"
        if self.step is not None:
            steps = math.log(high / low, self.step) if is_log else (high - low) / self.step
            number = chance.randrange(int(steps + 1e-9) + 1)
            value = low * self.step**number if is_log else low + self.step * number
        else:
            value = math.exp(chance.uniform(math.log(low), math.log(high))) if is_log else chance.uniform(low, high)
        if self.integer:
            return min(max(round(value), round(low)), round(high))
        return min(max(float(f"{value:.{4 if self.step is None else 10}g}"), low), high)


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
    in_tasks: bool = False
    """Whether the default and the points of the first rung are tasks of their own (`train_trial`), which a cluster
    runs side by side. The points are drawn when the pipeline is compiled, so this is for `halving` with a `space`."""
    in_training: bool = True
    """Whether every run that trains is tuned first; otherwise only `mlops tune` does."""

    @model_validator(mode="after")
    def _can_be_drawn(self) -> Self:
        if self.in_tasks and self.method != "halving":
            raise ValueError(
                f"in_tasks: wanted method halving, whose first points follow from nothing, got {self.method}, which "
                "hears of one trial before it proposes the next"
            )
        if self.in_tasks and not self.space:
            raise ValueError(
                "in_tasks: wanted a space, from which points are drawn when the pipeline is compiled, got none; a "
                "build_model(hp) declares its space only in a step: leave in_tasks out"
            )
        return self

    def drawn(self, epochs: int, seed: int) -> list[dict[str, Any]]:
        """Return the trials that need no other's result: the default, and the first rung, with points drawn now.

        `epochs` and `seed` are those of `train_model`.
        """
        longest = self.epochs or epochs
        rung = halving_rungs(self.trials, longest, self.factor)[0]
        chance = random.Random(self.seed)  # noqa: S311 - nobody must not guess it
        points: list[dict[str, Any]] = []
        for _ in range(_DRAWS * rung.trials):
            point = {name: one.draw(chance) for name, one in self.space.items()}
            if point not in points:
                points.append(point)
            if len(points) == rung.trials:
                break
        first = {"number": 0, "hyperparameters": {}, "epochs": longest, "seed": seed}
        return [first] + [
            {"number": number, "hyperparameters": point, "epochs": rung.epochs, "seed": seed}
            for number, point in enumerate(points, start=1)
        ]
