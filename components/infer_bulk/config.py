"""The `infer_bulk` section: which rows are predicted, with which version, and what is written."""

from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from artifacts.spans.readers import FORMATS
from core.beam.settings import Beam
from core.errors import did_you_mean
from core.problem import FromProblem
from core.settings import FromUseCase, Settings

Output = Literal["prediction_logs", "examples", "parquet"]
OUTPUTS: tuple[Output, ...] = ("prediction_logs", "examples", "parquet")


def _known_format(name: str) -> str:
    if name not in FORMATS:
        raise ValueError(f"wanted one of {', '.join(FORMATS)}, got {name!r}{did_you_mean(name, FORMATS)}")
    return name


def _as_text(span: Any) -> Any:
    return span.isoformat() if isinstance(span, date) else span  # a step's configuration is JSON


Format = Annotated[str, AfterValidator(_known_format), Field(json_schema_extra={"enum": list(FORMATS)})]


class Config(Settings):
    """Bulk inference; `label` and `weight` come from `problem`. Names that TFX's BulkInferrer has are kept."""

    source: str = ""
    """Files to predict, as `source.pattern` has them, or a pattern or path without tokens, whose files are one span;
    empty: those of the use case's `source`."""
    span: Annotated[int | str | None, BeforeValidator(_as_text)] = None
    """The span that is predicted when none is asked for; the newest where this is empty."""
    window: int = Field(default=1, ge=1, le=10_000)
    """Number of spans that a run predicts, up to the chosen one."""
    format: Format | None = None
    """Format of the files; unset: that of `ingest_examples`, whose other settings apply too."""
    min_examples: int = Field(default=1, ge=1)
    """Minimum number of rows; the data gate is closed with fewer."""
    version: int | None = Field(default=None, ge=1)
    """The model version; unset: the one in production when the run is submitted."""
    model_signature_name: str = "serving_default"
    """The signature that is called, as in TFX's `ModelSpec`."""
    example_splits: tuple[str, ...] = ()
    """Splits of the examples to predict, as in TFX's `DataSpec`; empty: all."""
    output_columns: dict[str, str] = Field(default_factory=dict)
    """Output of the signature -> feature and column that it becomes, as in TFX's `OutputExampleSpec`; unset: each
    output under its own name, and an only output as `prediction`."""
    outputs: tuple[Output, ...] = Field(default=OUTPUTS, min_length=1)
    """What is written: `prediction_logs` (gzipped TFRecords of PredictionLog), `examples` (the rows with predictions as
    features) and `parquet` (the same as columns)."""
    shard_rows: int = Field(default=100_000, ge=1, le=10_000_000)
    """Rows per output file. A file that is finished is not computed again when a run is resumed."""
    batch_rows: int = Field(default=4096, ge=1, le=1 << 20)
    """Rows per call of the model. Some batches are in memory at once, whatever the size of the data."""
    label: Annotated[str, FromProblem("label")] = ""
    weight: Annotated[str | None, FromProblem("weight")] = None
    beam: Annotated[Beam | None, FromUseCase("beam")] = None

    @model_validator(mode="after")
    def _no_repeated_column(self) -> Self:
        columns = list(self.output_columns.values())
        if repeated := sorted({name for name in columns if columns.count(name) > 1}):
            raise ValueError(f"output_columns: wanted a column for each output, got {', '.join(repeated)} twice")
        return self
