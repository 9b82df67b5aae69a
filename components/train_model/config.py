"""The `train_model` section: hyperparameters, early stopping, reproducibility and memory of a training."""

from typing import Any, Literal

from pydantic import Field

from core.settings import Settings
from core.worker_jobs.settings import Distribution
from training.settings import TrainingSettings


class RunFn(Settings):
    """Arguments of a TFX module's `run_fn(fn_args)`; not used for a module with `build_model`."""

    train_steps: int | None = Field(default=None, ge=1)
    eval_steps: int | None = Field(default=None, ge=1)
    custom_config: dict[str, Any] = Field(default_factory=dict)
    examples: Literal["transformed", "raw"] = "transformed"
    """What `train_files` and `eval_files` are; `transformed` needs transform_features.materialize."""
    eval_split: str = "validation"
    """The split of `eval_files`. The model never sees the gate's split `eval`, unless it is named here."""
    label: str = ""
    """The transformed feature that is the module's label. When empty, the one with the label's name, or else
    `<label>_xf`, as in TFX's templates."""
    answers: Literal["trained", "raw"] = "trained"
    """Whether a regression's exported model predicts in the unit of the transformed label or of the raw label."""


class Config(TrainingSettings):
    """How the model is trained."""

    warm_start: bool = False
    """Whether weights start as the champion's where path and shape are the same; only useful if vocabularies are
    stable."""
    checkpoints: bool = True
    """Whether an interrupted training continues after its last complete epoch when it is started again with the same
    output folder."""
    run_fn: RunFn = RunFn()
    distribution: Distribution | None = None
    """Training in several processes (docs/scale.md); unset: in the step's own."""
