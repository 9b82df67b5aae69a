"""The `distill_model` section: who teaches, who learns, and what must be gained."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from core.settings import Settings


class Teacher(Settings):
    """The better model, whose predictions are learned."""

    family: str = "build_model"
    """`build_model`, another function of module.py like it, or a family of `search_model`, such as `trees`."""
    hyperparameters: dict[str, Any] = Field(default_factory=dict)
    """Changes to those of `train_model` (`build_model`), or to the family's defaults."""
    members: int = Field(default=3, ge=1, le=20)
    """Models with different seeds whose mean prediction is learned; 1 for a single larger model."""
    out_of_fold: Literal["auto", "always", "never"] = "auto"
    """Whether a training row is taught by teachers that were trained without it: `auto` where the teacher's skill on
    its own training rows is higher than on the validation rows by more than `overfitted_above`."""
    overfitted_above: float = Field(default=0.02, ge=0)
    """In the unit of the skill: AUC, accuracy or R2."""
    folds: int = Field(default=3, ge=2, le=20)
    """Parts of the training rows for out-of-fold predictions."""


class Student(Settings):
    """The small model."""

    family: str = "build_model"
    hyperparameters: dict[str, Any] = Field(default_factory=dict)
    """Changes to those of `train_model` (`build_model`), or to the family's defaults."""


class Config(Settings):
    """How a model is distilled; how models are trained is said by `train_model`."""

    teacher: Teacher = Teacher()
    student: Student
    alpha: float = 0.1
    """Weight of the labels in the student's loss, 0 to 1; the rest is that of the teacher's predictions."""
    temperature: float = Field(default=1.0, gt=0, le=100)
    """What both models' logits are divided by before they are compared; that part of the loss is multiplied by its
    square, so that its gradient does not fall. High temperatures hurt small students (docs/distillation.md)."""
    seeds: tuple[int, ...] = Field(default=(0, 1, 2), min_length=2)
    """The student is trained for each seed, with the teacher and from scratch; seeds are added to `train_model`'s."""
    min_gain: float = Field(default=0.0, ge=0)
    """The lower end of the interval of the student's skill minus that of the same model from scratch must be above
    it."""
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    otherwise: Literal["scratch", "plain"] = "scratch"
    """What goes on where the gain is not sure: the small model trained on the labels alone, or the model of
    `train_model`."""

    @model_validator(mode="after")
    def _alpha_is_a_share(self) -> Self:
        if not 0 <= self.alpha <= 1:
            raise ValueError(
                f"alpha: wanted the labels' share of the loss, 0 to 1, got {self.alpha:g}; 0 learns from the teacher "
                "alone, 1 from the labels alone"
            )
        if self.alpha == 1:
            raise ValueError("alpha: wanted less than 1, got 1, with which nothing is learned from the teacher")
        return self
