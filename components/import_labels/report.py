"""What is known of the imported labels, as `agreement.json`."""

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from core import durable

NAME = "agreement.json"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Pair(_Part):
    """The agreement of two annotators."""

    first: str
    second: str
    rows: int
    kappa: float | None


class Annotator(_Part):
    """An annotator: how many labels, the answers to gold questions, and the confusions that were estimated."""

    name: str
    labels: int
    gold_questions: int
    gold_accuracy: float | None
    confusions: list[list[float]]
    """Probability of each label (column) given each true class (row); empty for numbers."""


class Delays(_Part):
    """How long labels took."""

    counted_from: str
    """`row_time`, or `first label`."""
    days_of_nine_in_ten: float | None
    curve: list[tuple[float, float]]
    """(days, share of the labels that were known by then)."""


class Agreement(_Part):
    """Labels, agreement and delays."""

    aggregation: str
    classes: list[str]
    labels: int
    """Labels that count: the latest of each annotator for each row."""
    corrections: int
    repeats: int
    unknown_rows: int
    labeled_rows: int
    """Rows that get an imported label."""
    not_overwritten: int
    """Rows outside `splits` that keep the label they have."""
    rows: int
    """Rows of `splits`."""
    rows_with_label: int
    """Of those, the ones with a label, imported or of the source."""
    per_class: dict[str, int]
    alpha: float | None
    pairs: list[Pair]
    annotators: list[Annotator]
    conflicts: list[list[str]]
    """Keys of rows with equal features, but other labels."""
    delays: Delays

    def write(self, folder: Path) -> None:
        """Write it atomically."""
        folder.mkdir(parents=True, exist_ok=True)
        content = json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False, allow_nan=False)
        durable.replace(folder / NAME, f"{content}\n".encode())
