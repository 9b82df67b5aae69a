"""The `import_labels` section: how labels of several annotators become one, and what the gate wants of them."""

from typing import Annotated, Literal

from pydantic import Field

from core.problem import FromProblem, KeyColumns, Task
from core.settings import Settings

Share = Annotated[float, Field(ge=0, le=1)]


class Config(Settings):
    """How labels are imported; `label`, `task` and `key` come from the `problem` section."""

    aggregation: Literal["dawid_skene", "majority"]
    """`dawid_skene` learns how reliable each annotator is in each class; `majority` counts. The mean, for numbers."""
    splits: tuple[str, ...] = ("train", "validation")
    """Splits whose rows get the imported label in place of the one that they have; in others only rows without one."""
    min_annotators: int = Field(default=1, ge=1)
    """Rows that fewer annotators labeled keep the label that they have."""
    gold_annotator: str = "gold"
    """The labels of this annotator are the truth: gold questions that the others are measured by."""
    unknown_rows: Literal["error", "leave_out"] = "error"
    """For a label of a row that is in no split: `error` stops the run; `leave_out` counts it, for windows that move."""
    until: str = ""
    """RFC 3339; a label that is newer stops the run."""
    row_time: str | None = None
    """A feature with the time of a row in seconds since 1970, from which its label's delay counts; without it, delays
    count from the first label of all."""
    min_labeled: Share = 0.01
    """Lowest share of the rows of `splits` that have a label, imported or of the source."""
    min_per_class: int = Field(default=1, ge=0)
    """Lowest number of labeled rows of each class."""
    min_alpha: Annotated[float, Field(ge=-1, le=1)] | None = None
    """Lowest Krippendorff's alpha; undecided where no row has two labels."""
    min_kappa: Annotated[float, Field(ge=-1, le=1)] | None = None
    """Lowest Cohen's kappa of each pair of annotators with at least `min_shared` rows in common."""
    min_shared: int = Field(default=20, ge=1)
    """Rows that two annotators, or an annotator and the gold questions, must share to be measured."""
    min_gold_accuracy: Share | None = None
    """Lowest accuracy of each annotator on at least `min_shared` gold questions."""
    max_conflicts: Share = 0.0
    """Highest share of labeled rows with equal features, but other labels: at most one of them can be learned."""
    max_delay_days: float | None = Field(default=None, gt=0)
    """Highest delay of nine in ten labels."""
    label: Annotated[str, FromProblem("label")]
    task: Annotated[Task, FromProblem("task")]
    key: Annotated[KeyColumns | None, FromProblem("key")] = None
