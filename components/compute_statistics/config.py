"""The `compute_statistics` section: how statistics are computed, and the serving data that they include."""

from typing import Annotated

from pydantic import Field

from core.beam.settings import Beam
from core.settings import FromUseCase, Settings


class Config(Settings):
    """How statistics are computed."""

    batch_rows: int = Field(default=8192, ge=1, le=1 << 20)
    """Rows per record batch, which are in memory at once."""
    serving: str = Field(default="", pattern=r"^(|.+@sha256:[0-9a-f]{64})$")
    """TFRecord files of tf.Examples that the server was sent, as `path@sha256:<hex>`, to detect skew; empty for none.

    The path is absolute, relative to the project's root, or an address; with `*` it names several files, which workers
    of Beam read in parallel. The digest makes a cached result valid for this data only: that of one file is its own,
    that of several is over their names and digests, and a run that finds another one says which.
    """
    beam: Annotated[Beam | None, FromUseCase("beam")] = None
