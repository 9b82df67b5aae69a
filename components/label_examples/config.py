"""The `label_examples` section: which rows get labels from labeling functions, how, and what the gate wants."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from artifacts.examples.names import EVAL
from core.problem import FromProblem, KeyColumns, Task
from core.settings import Settings

Method = Literal["auto", "label_model", "majority", "self_training", "label_spreading"]
SEMI_SUPERVISED = ("self_training", "label_spreading")
"""Methods that need no labeling functions."""


class LabelModel(Settings):
    """How the label model learns; the defaults are snorkel's, but for more epochs."""

    epochs: int = Field(default=500, ge=1)
    learning_rate: float = Field(default=0.01, gt=0)
    l2: float = Field(default=0.0, ge=0)
    """Strength of the regularization towards the initial values."""
    precision: float = Field(default=0.7, gt=0, le=1)
    """How often a vote is assumed to be right before anything is learned."""
    seed: int = Field(default=0, ge=0, lt=1 << 32)


class Config(Settings):
    """How examples are labeled; `label`, `task`, `positive`, `weight` and `key` come from the `problem` section."""

    label: Annotated[str, FromProblem("label")]
    task: Annotated[Task, FromProblem("task")]
    positive: Annotated[str | None, FromProblem("positive")] = None
    weight: Annotated[str | None, FromProblem("weight")] = None
    key: Annotated[KeyColumns | None, FromProblem("key")] = None
    gold_split: str
    """The split with gold labels, which labels are chosen by and measured on, such as one of
    `ingest_examples.split.further`; nothing is trained on it."""
    splits: tuple[str, ...] = ("train", "validation")
    """The splits whose rows are labeled; labels that they have are ignored, unless `keep_given` is set."""
    classes: tuple[str, ...] = ()
    """Names of the classes in order; empty for the label's domain in the schema."""
    method: Method = "auto"
    """`label_model`, `majority` vote, or `auto`: the label model unless majority vote is better on the gold rows.
    `self_training` and `label_spreading` label by the gold rows and the likeness of rows, without functions; they are
    refused unless that is better on gold rows than learning from the gold rows alone."""
    class_balance: dict[str, float] | Literal["gold", "uniform"] = "gold"
    """The share of each class, as a mapping from class to share, as in the gold rows, or the same for all."""
    label_model: LabelModel = LabelModel()
    keep_given: bool = False
    """Whether a row that has a label keeps it, with probability 1."""
    without_votes: Literal["leave_out", "balance"] = "leave_out"
    """What becomes of a row that no function votes on: it is left out, or its probabilities are the class balance."""
    copies: int = Field(default=0, ge=0, le=20)
    """Augmented rows that the transformation functions make of each row of the split `train`."""
    seed: int = Field(default=0, ge=0, lt=1 << 32)
    """Seed of the transformation functions."""
    min_coverage: float = Field(default=0.5, ge=0, le=1)
    """Lowest share of rows with a vote that passes."""
    min_gold: int = Field(default=50, ge=1)
    """Lowest number of gold rows that something can be decided by."""
    margin: float = Field(default=0.01, ge=0)
    """By how much the label model may be worse than majority vote on the gold rows, in AUC or accuracy."""
    twins: Literal["stop", "merge"] = "stop"
    """Functions that vote alike count as much evidence for the label model: `stop`, or let one of them count."""
    twin_share: float = Field(default=0.95, gt=0.5, le=1)
    """Functions are twins when so many of the rows on which either votes have equal votes."""
    batch_rows: int = Field(default=16_384, ge=1)
    """Rows per batch; votes do not depend on it."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.task == "regression":
            raise ValueError("labeling functions vote for classes; a regression has none: leave label_examples out")
        if EVAL in self.splits:
            raise ValueError(f"splits: {EVAL!r} keeps its gold labels; leave it out")
        if self.gold_split in self.splits:
            raise ValueError(f"gold_split: {self.gold_split!r} is labeled by functions, too; leave it out of splits")
        if isinstance(self.class_balance, dict):
            total = sum(self.class_balance.values())
            if abs(total - 1) > 1e-6 or min(self.class_balance.values(), default=0) <= 0:
                raise ValueError(f"class_balance: wanted positive shares that sum to 1, got a sum of {total:g}")
        return self
