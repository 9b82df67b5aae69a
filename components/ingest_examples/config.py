"""The `ingest_examples` section: how files are read, how many spans a run reads, and how rows are split."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from artifacts.examples.names import SPLITS, UNLABELED
from artifacts.spans.files import Gaps
from artifacts.spans.read_options import NullsInLists
from artifacts.spans.readers import FORMATS
from core.beam.settings import Beam
from core.errors import did_you_mean
from core.problem import FromProblem, KeyColumns
from core.settings import FromUseCase, Settings


def _known_format(name: str) -> str:
    if name not in FORMATS:
        raise ValueError(f"wanted one of {', '.join(FORMATS)}, got {name!r}{did_you_mean(name, FORMATS)}")
    return name


Format = Annotated[str, AfterValidator(_known_format), Field(json_schema_extra={"enum": list(FORMATS)})]
Columns = Annotated[tuple[str, ...], Field(min_length=1)]
Percent = Annotated[float, Field(gt=0, lt=100)]
TimePart = Literal["year", "month", "day", "hour", "minute", "day_of_week", "day_of_year", "epoch_seconds"]


class TimestampColumn(Settings):
    """The features of a column of times; a list of parts is short for `{parts: [...]}`."""

    parts: tuple[TimePart, ...] = Field(min_length=1)
    """Each becomes an INT feature `<column>_<part>`; `day_of_week` is 1 on Monday. The column itself is left out."""
    format: str = ""
    """The format for Python's strptime; ISO 8601 when empty. A time without a zone is not converted."""

    @model_validator(mode="before")
    @classmethod
    def _parts_alone(cls, given: Any) -> Any:
        return {"parts": given} if isinstance(given, list | tuple) else given


class Split(Settings):
    """How rows are divided into the splits train, validation and eval: by `problem.key`, never by the label."""

    by: Literal["time", "hash", "none"] = "time"
    """`time`: the newest span is eval, the spans before it are train; `hash`: each span is divided by rows' hashes;
    `none`: all rows are in one split, `unlabeled`, as the pipeline `inference` wants them."""
    validation: Percent = 10.0
    """Percent of the rows before the newest span (`time`) or of all rows (`hash`) for early stopping."""
    eval: Percent = 20.0
    """Percent of all rows for the evaluation; `hash` only."""
    further: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")], Percent] = Field(default_factory=dict)
    """Further splits by name, in percent as for `validation`, for a stage that needs rows of its own."""
    group_by: Columns | None = None
    """Columns whose equal values keep rows in one split, such as the image, the user or the plane; `hash` only."""
    stratify_by: Columns | None = None
    """Columns each combination of whose values gets its share of every split; never the label."""

    @model_validator(mode="after")
    def _leaves_rows_to_train_on(self) -> Self:
        taken = sorted(set(self.further) & {*SPLITS, UNLABELED})
        if taken:
            raise ValueError(
                f"further: {', '.join(taken)} is a split of every run; set its own key, or choose another name"
            )
        if self.group_by and self.by != "hash":
            raise ValueError(
                f"group_by: wanted by: hash, got by: {self.by}, where the span decides and a group has rows in several"
            )
        if self.stratify_by and self.by == "none":
            raise ValueError("stratify_by: wanted by: hash or time, got by: none, which has one split")
        held_back = sum((self.validation, *self.further.values(), self.eval if self.by == "hash" else 0.0))
        if held_back >= 100:
            names = "validation + eval" if self.by == "hash" else "validation"
            names += " + further" if self.further else ""
            raise ValueError(f"wanted {names} below 100 percent, got {held_back:g}: nothing is left to train on")
        return self


class Config(Settings):
    """How a use case's source is read."""

    format: Format
    """Format of the source files; TFRecord files may be gzipped."""
    window: int = Field(default=3, ge=1, le=10_000)
    """Number of spans to train on: with `split.by: time` those before the newest, with `hash` including the newest."""
    gaps: Gaps = "error"
    """When a span of the window does not exist: `error` stops the run, `skip` takes the last spans that exist."""
    split: Split = Split()
    missing: tuple[str, ...] = ("",)
    """CSV cells that mean a missing value, such as `["", "NaN"]`."""
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    """The character between the cells of a CSV file, such as `";"` or `"\\t"`."""
    leave_out: tuple[str, ...] = ()
    """Columns that are not read."""
    timestamps: dict[str, TimestampColumn] = Field(default_factory=dict)
    """Columns of times, and the features that are derived from each, such as `{pickup: [hour, day_of_week]}`."""
    nulls_in_lists: NullsInLists = "error"
    """For a null inside a list of a Parquet file: `error` stops the run, `leave_out` drops it from the list."""
    max_rejects: int = Field(default=0, ge=0)
    """Maximum number of invalid CSV rows, which are listed in `rejects.jsonl`; one more stops the run."""
    max_record_bytes: int = Field(default=1 << 20, ge=64)
    """Longest record in bytes; an unclosed quote is an error after this many."""
    batch_rows: int = Field(default=16_384, ge=1, le=1 << 20)
    """Rows per record batch, which are in memory at once."""
    part_bytes: int = Field(default=256 << 20, ge=1 << 10, le=1 << 40)
    """Bytes of source files per shard: files of a span are read together up to so many, and larger Parquet files are
    divided at their row groups. Several workers read and write in parallel what several shards hold."""
    key: Annotated[KeyColumns | None, FromProblem("key")] = None
    beam: Annotated[Beam | None, FromUseCase("beam")] = None

    @model_validator(mode="after")
    def _fits_the_format(self) -> Self:
        if self.delimiter != "," and self.format != "csv":
            raise ValueError(f"delimiter is for csv files; remove it, or correct format: {self.format}")
        if self.delimiter in '"\r\n':
            raise ValueError(f"delimiter: wanted a character that separates cells, got {self.delimiter!r}")
        if self.timestamps and self.format == "tfrecord":
            raise ValueError(
                "timestamps are read from csv and parquet files; convert them where the records are written"
            )
        both = sorted(set(self.timestamps) & set(self.leave_out))
        if both:
            raise ValueError(f"wanted {', '.join(both)} in one of leave_out and timestamps, got it in both")
        return self

    @property
    def spans(self) -> int:
        """Maximum number of spans that a run reads."""
        return self.window + (1 if self.split.by == "time" else 0)
