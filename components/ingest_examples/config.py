"""The `ingest_examples` section: how files are read, how many spans a run sees, and what is held back."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from artifacts.examples.names import SPLITS
from artifacts.spans.files import Gaps
from artifacts.spans.read_options import NullsInLists
from artifacts.spans.readers import FORMATS
from core.errors import did_you_mean
from core.settings import Settings


def _known_format(name: str) -> str:
    if name not in FORMATS:
        raise ValueError(f"wanted one of {', '.join(FORMATS)}, got {name!r}{did_you_mean(name, FORMATS)}")
    return name


Format = Annotated[str, AfterValidator(_known_format), Field(json_schema_extra={"enum": list(FORMATS)})]
Percent = Annotated[float, Field(gt=0, lt=100)]
TimePart = Literal["year", "month", "day", "hour", "minute", "day_of_week", "day_of_year", "epoch_seconds"]


class TimestampColumn(Settings):
    """What a column of times becomes; a list of parts alone is read as `{parts: [...]}`."""

    parts: tuple[TimePart, ...] = Field(min_length=1)
    """Each is an INT feature, named `<column>_<part>`; `day_of_week` is 1 on Monday. The column itself is left out."""
    format: str = ""
    """How times are written, as Python's strptime has it; ISO 8601 when empty. A time without a zone stays as it is."""

    @model_validator(mode="before")
    @classmethod
    def _parts_alone(cls, given: Any) -> Any:
        return {"parts": given} if isinstance(given, list | tuple) else given


class Split(Settings):
    """Which rows are trained on, which stop the training early, and which evaluate the model."""

    by: Literal["time", "hash"] = "time"
    """`time`: the newest span evaluates, the spans before it are trained on; `hash`: each span is shared out."""
    validation: Percent = 10.0
    """Percent of the rows before the newest span (`time`) or of all rows (`hash`), held back for early stopping."""
    eval: Percent = 20.0
    """Percent of all rows that evaluate the model; `hash` only."""
    further: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")], Percent] = Field(default_factory=dict)
    """Further splits by name, in percent as `validation` has it, for a stage that wants rows of its own."""

    @model_validator(mode="after")
    def _leaves_rows_to_train_on(self) -> Self:
        if taken := sorted(set(self.further) & set(SPLITS)):
            raise ValueError(
                f"further: {', '.join(taken)} is there in every run; set its own key, or choose another name"
            )
        held_back = sum((self.validation, *self.further.values(), self.eval if self.by == "hash" else 0.0))
        if held_back >= 100:
            names = "validation + eval" if self.by == "hash" else "validation"
            names += " + further" if self.further else ""
            raise ValueError(f"wanted {names} below 100 percent, got {held_back:g}: nothing is left to train on")
        return self


class Config(Settings):
    """How a use case's source is read."""

    format: Format
    """What the files are; TFRecord files may be gzipped."""
    window: int = Field(default=3, ge=1, le=10_000)
    """Spans that are trained on: with `split.by: time` those before the newest, with `hash` the newest included."""
    gaps: Gaps = "error"
    """When a span of the window does not exist: stop the run, or `skip` it and take the last spans that do."""
    split: Split = Split()
    missing: tuple[str, ...] = ("",)
    """CSV cells that stand for a missing value, such as `["", "NaN"]`."""
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    """What separates the cells of a CSV file, such as `";"` or `"\\t"`."""
    leave_out: tuple[str, ...] = ()
    """Columns that are not read."""
    timestamps: dict[str, TimestampColumn] = Field(default_factory=dict)
    """Columns of times, and the numbers that each becomes, such as `{pickup: [hour, day_of_week]}`."""
    nulls_in_lists: NullsInLists = "error"
    """A null inside a list of a Parquet file stops the run, or is left out of its list."""
    max_rejects: int = Field(default=0, ge=0)
    """CSV rows that may be left out, each with its reason in `rejects.jsonl`; one more stops the run."""
    max_record_bytes: int = Field(default=1 << 20, ge=64)
    """Longest record that is read, in bytes; an unclosed quote is found after this many."""
    batch_rows: int = Field(default=16_384, ge=1, le=1 << 20)
    """Rows that are held in memory at once."""

    @model_validator(mode="after")
    def _fits_the_format(self) -> Self:
        if self.delimiter != "," and self.format != "csv":
            raise ValueError(f"delimiter is for csv files; drop it, or correct format: {self.format}")
        if self.delimiter in '"\r\n':
            raise ValueError(f"delimiter: wanted a character that separates cells, got {self.delimiter!r}")
        if self.timestamps and self.format == "tfrecord":
            raise ValueError(
                "timestamps are read from csv and parquet files; convert them where the records are written"
            )
        if both := sorted(set(self.timestamps) & set(self.leave_out)):
            raise ValueError(f"leave_out names {', '.join(both)}, which timestamps reads; drop it from one of them")
        return self

    @property
    def spans(self) -> int:
        """Spans that a run reads at most."""
        return self.window + (1 if self.split.by == "time" else 0)
