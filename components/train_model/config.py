"""The `train_model` section: how long, from where and how reproducibly a model is trained."""

from typing import Annotated, Any, Literal

from pydantic import Field

from core.problem import FromProblem, ModelOutput, Task
from core.settings import Settings


class EarlyStopping(Settings):
    """When more epochs would only fit the training rows better."""

    patience: int = Field(default=2, ge=1)
    """Epochs without a better loss on the `validation` split before training stops; the best epoch's weights are
    kept."""
    min_delta: float = Field(default=0.0, ge=0)
    """Smallest fall of that loss that counts."""


class RunFn(Settings):
    """What a TFX module's `run_fn(fn_args)` is given; not read for a module with `build_model`."""

    train_steps: int | None = Field(default=None, ge=1)
    eval_steps: int | None = Field(default=None, ge=1)
    custom_config: dict[str, Any] = Field(default_factory=dict)
    examples: Literal["transformed", "raw"] = "transformed"
    """What `train_files` and `eval_files` are; `transformed` needs transform_features.materialize."""
    eval_split: str = "validation"
    """The split that `eval_files` point at. The split that the gate decides by stays unseen unless it is named here."""
    label: str = ""
    """The transformed feature that the module trains on as its label. When empty, it is the one named as the label,
    or else `<label>_xf`, as TFX's templates name theirs."""
    answers: Literal["trained", "raw"] = "trained"
    """Whether a regression's exported model answers in the unit of the transformed label, or in the raw label's."""


class Config(Settings):
    """How a model is trained; `label`, `task`, `positive`, `model_output` and `weight` come from `problem`."""

    label: Annotated[str, FromProblem("label")]
    task: Annotated[Task, FromProblem("task")]
    positive: Annotated[str | None, FromProblem("positive")] = None
    model_output: Annotated[ModelOutput, FromProblem("model_output")] = "auto"
    weight: Annotated[str | None, FromProblem("weight")] = None
    class_weights: Literal["balanced"] | dict[str, float] | None = None
    """How much the rows of a class count in training: `balanced` gives every class the same sum, a mapping says it by
    the class's name (1 for one that is not named). Evaluation is not weighted by it."""
    hyperparameters: dict[str, Any] = Field(default_factory=dict)
    """Handed to `build_model` with `train_steps` (optimizer steps of the whole training) added, and `classes` where the
    classes of a text label are known before training; to `run_fn` as `fn_args.hyperparameters`."""
    epochs: int = Field(default=5, ge=1)
    batch_size: int = Field(default=512, ge=1)
    """Rows per optimizer step."""
    early_stopping: EarlyStopping = EarlyStopping()
    seed: int = Field(default=20130101, ge=0, lt=1 << 32)
    """Of initial weights, shuffling and dropout."""
    deterministic: bool = True
    """Whether two trainings on the same data give the same weights, bit by bit; TensorFlow then uses only operations
    that promise it."""
    warm_start: bool = False
    """Whether weights start as the champion's where path and shape agree; what they mean must agree too, so keep the
    vocabularies stable."""
    checkpoints: bool = True
    """Whether an interrupted training goes on after its last whole epoch when it is started again with the same output
    folder."""
    read_rows: int = Field(default=32_768, ge=1)
    """Rows that are read and transformed at once."""
    shuffle_rows: int = Field(default=1 << 18, ge=1)
    """Rows that are shuffled among each other and held in memory while they are trained on."""
    memory_mib: int = Field(default=96, ge=0)
    """Transformed rows beyond this many MiB wait on disk between epochs, so that memory does not grow with the rows."""
    run_fn: RunFn = RunFn()
