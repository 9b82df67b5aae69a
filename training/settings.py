"""What a training needs to know, whichever stage trains."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from core.problem import FromProblem, ModelOutput, Task
from core.settings import Settings


class EarlyStopping(Settings):
    """When training stops before the last epoch."""

    patience: int = Field(default=2, ge=1)
    """Epochs without a better loss on the `validation` split before training stops; the best epoch's weights are
    kept."""
    min_delta: float = Field(default=0.0, ge=0)
    """Smallest decrease of that loss that counts as better."""


class TrainingSettings(Settings):
    """How a model is trained; `label`, `task`, `positive`, `model_output` and `weight` come from `problem`."""

    label: Annotated[str, FromProblem("label")]
    task: Annotated[Task, FromProblem("task")]
    positive: Annotated[str | None, FromProblem("positive")] = None
    model_output: Annotated[ModelOutput, FromProblem("model_output")] = "auto"
    weight: Annotated[str | None, FromProblem("weight")] = None
    class_weights: Literal["balanced"] | dict[str, float] | None = None
    """Weights of classes in training: `balanced` gives every class the same sum of weights; a mapping has weights by
    the class's name (others are 1). The evaluation does not use them."""
    hyperparameters: dict[str, Any] = Field(default_factory=dict)
    """Passed to `build_model`, with `train_steps` (optimizer steps of the whole training) and, for a text label whose
    classes are known before training, `classes`; passed to `run_fn` as `fn_args.hyperparameters`."""
    epochs: int = Field(default=5, ge=1)
    batch_size: int = Field(default=512, ge=1)
    """Rows per optimizer step."""
    early_stopping: EarlyStopping = EarlyStopping()
    seed: int = Field(default=20130101, ge=0, lt=1 << 32)
    """Seed of initial weights, shuffling and dropout."""
    deterministic: bool = True
    """Whether two trainings on the same data have bit-identical weights; TensorFlow then uses deterministic operations
    only."""
    read_rows: int = Field(default=32_768, ge=1)
    """Rows per batch of reading and transforming."""
    shuffle_rows: int = Field(default=1 << 18, ge=1)
    """Rows that are shuffled together, in memory."""
    explain_pairs: int | None = Field(default=None, ge=1, le=256)
    """Antithetic pairs of walks of a signature `explain` in the exported graph, for servers that only run signatures;
    unset: none, and this project's server explains from outside of the graph."""
    memory_mib: int = Field(default=96, ge=0)
    """MiB of transformed rows that are kept in memory between epochs; the others are on disk."""

    @classmethod
    def of(cls, section: Mapping[str, Any]) -> "TrainingSettings":
        """Return what the `train_model` section says about any training."""
        known = {name: value for name, value in section.items() if name in TrainingSettings.model_fields}
        return TrainingSettings.model_validate(known)
