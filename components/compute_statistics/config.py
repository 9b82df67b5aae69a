"""The `compute_statistics` section: how statistics are computed, and the serving data that they include."""

from typing import Literal, Self

from pydantic import Field, model_validator

from core.settings import Settings


class Config(Settings):
    """How statistics are computed."""

    engine: Literal["in_process", "beam"] = "in_process"
    """`in_process` streams record batches through TFDV's generators; `beam` runs TFDV's pipeline on any runner."""
    beam_args: tuple[str, ...] = ()
    """Beam's pipeline options, such as `--runner=DataflowRunner`; with `engine: beam` only."""
    batch_rows: int = Field(default=8192, ge=1, le=1 << 20)
    """Rows per record batch, which are in memory at once."""
    serving: str = Field(default="", pattern=r"^(|.+@sha256:[0-9a-f]{64})$")
    """TFRecord file of tf.Examples that the server was sent, as `path@sha256:<hex>`, to detect skew; empty without one.

    The path is absolute or relative to the project's root. The digest makes a cached result valid for this data only.
    """

    @model_validator(mode="after")
    def _arguments_have_a_reader(self) -> Self:
        if self.beam_args and self.engine != "beam":
            raise ValueError("beam_args are used with `engine: beam` only; set it, or remove them")
        return self
