"""What an exported model costs: size and latency."""

from pydantic import BaseModel, ConfigDict


class Footprint(BaseModel):
    """Size and latency of one model."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    parameters: int
    """Numbers that the model consists of."""
    bytes: int
    """Of the SavedModel without `assets.extra`."""
    row_us: float
    """Microseconds to predict one serialized row, the median."""
    thousand_rows_us: float
    """The same for a thousand rows in one call."""
