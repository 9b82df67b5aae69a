"""The `ingest_examples` section: where rows come from, how many spans a run sees, and what is held back from training."""

from typing import Literal, Self

from pydantic import Field, model_validator

from core.settings import Settings

Format = Literal["csv", "parquet", "tfrecord"]


class Split(Settings):
    """Which rows are trained on, which stop the training early, and which judge the model."""

    by: Literal["time", "hash"] = "time"
    """`time`: the newest span judges, the spans before it are trained on; `hash`: every span is shared out by the hash of its rows."""
    validation: float = Field(default=10.0, gt=0, lt=100)
    """Percent of the rows that are not judged on (`time`) or of all rows (`hash`) which are held back for early stopping."""
    eval: float = Field(default=20.0, gt=0, lt=100)
    """Percent of all rows that judge the model; `hash` only."""

    @model_validator(mode="after")
    def _leaves_rows_to_train_on(self) -> Self:
        if self.by == "hash" and self.validation + self.eval >= 100:
            raise ValueError(
                f"wanted validation + eval below 100 percent, got {self.validation:g} + {self.eval:g}: nothing is left to train on"
            )
        return self


class Config(Settings):
    """How a use case's source is read."""

    format: Format
    """What the files are; TFRecord files may be gzipped."""
    window: int = Field(default=3, ge=1, le=10_000)
    """Spans that are trained on: with `split.by: time` those before the newest, with `hash` the newest included."""
    split: Split = Split()
    missing: tuple[str, ...] = ("",)
    """CSV cells that stand for a missing value."""
    max_rejects: int = Field(default=0, ge=0)
    """CSV rows that may be left out, each with its reason in `rejects.jsonl`; one more stops the run."""
    max_record_bytes: int = Field(default=1 << 20, ge=64)
    """Longest record that is read, in bytes; an unclosed quote is found after this many."""
    batch_rows: int = Field(default=16_384, ge=1, le=1 << 20)
    """Rows that are held in memory at once."""

    @property
    def spans(self) -> int:
        """Spans that a run reads at most."""
        return self.window + (1 if self.split.by == "time" else 0)
